-- A model is one SELECT in the warehouse's own dialect. Its rows are the audience, its columns are
-- what syncs may send. Whoever is in the result belongs in the destination; whoever leaves it leaves there too.
SELECT
    c.customer_id,
    c.first_name || ' ' || c.last_name   AS full_name,
    lower(trim(c.email))                 AS email,
    c.country,
    count(o.order_id)                    AS orders,
    coalesce(sum(o.amount), 0)           AS lifetime_value,
    max(o.ordered_on)                    AS last_order
FROM read_csv('data/customers.csv', types = {'customer_id': 'INTEGER'}) AS c
LEFT JOIN read_csv('data/orders.csv', types = {'amount': 'DECIMAL(10, 2)', 'ordered_on': 'DATE'}) AS o
    ON o.customer_id = c.customer_id
GROUP BY ALL
