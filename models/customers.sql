-- One row a customer, with what they bought.
SELECT
    c.customer_id,
    c.first_name,
    c.last_name,
    c.email,
    c.phone,
    c.company_id,
    'Hello ' || c.first_name || ', good to have you here.'  AS welcome,
    count(o.order_id)                                       AS orders,
    coalesce(sum(o.amount), 0)                              AS lifetime_value,
    max(o.ordered_at)::DATE                                 AS last_order
FROM customers AS c
LEFT JOIN orders AS o ON o.customer_id = c.customer_id
GROUP BY ALL
