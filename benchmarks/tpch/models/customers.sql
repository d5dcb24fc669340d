-- Lifetime value, number of orders and last order of every customer; a third of them never ordered.
SELECT
    c_custkey AS customer_id,
    c_name AS name,
    c_phone AS phone,
    c_mktsegment AS segment,
    c_acctbal AS balance,
    CAST(coalesce(sum(o_totalprice), 0) AS DECIMAL(18, 2)) AS lifetime_value,
    count(o_orderkey) AS orders,
    max(o_orderdate) AS last_order
FROM customer
LEFT JOIN orders ON o_custkey = c_custkey
GROUP BY ALL
