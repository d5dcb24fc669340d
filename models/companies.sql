-- One row a company, with what its people bought.
SELECT
    co.company_id,
    co.name,
    co.domain,
    co.city,
    count(DISTINCT c.customer_id)  AS customers,
    coalesce(sum(o.amount), 0)     AS revenue
FROM companies AS co
LEFT JOIN customers AS c ON c.company_id = co.company_id
LEFT JOIN orders AS o ON o.customer_id = c.customer_id
GROUP BY ALL
