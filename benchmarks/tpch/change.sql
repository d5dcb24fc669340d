-- About 1% of the customers: some order, some are cancelled an order, some move to another segment, some leave, some come.
CREATE TEMP TABLE newcomers AS SELECT * FROM customer WHERE c_custkey % 1000 = 17;
UPDATE orders SET o_totalprice = o_totalprice + 0.01
WHERE o_orderkey IN (SELECT min(o_orderkey) FROM orders WHERE o_custkey % 250 = 3 GROUP BY o_custkey);
INSERT INTO orders
SELECT max(o_orderkey) + 100000000, o_custkey, 'O', 1234.56, DATE '1999-01-01', '1-URGENT', 'Clerk', 0, 'new'
FROM orders WHERE o_custkey % 500 = 11 GROUP BY o_custkey;
DELETE FROM orders
WHERE o_orderkey IN (SELECT max(o_orderkey) FROM orders WHERE o_custkey % 1000 = 23 GROUP BY o_custkey);
UPDATE customer SET c_mktsegment = 'AIRLINES' WHERE c_custkey % 500 = 30;
DELETE FROM orders WHERE o_custkey % 500 = 7;
DELETE FROM customer WHERE c_custkey % 500 = 7;
INSERT INTO customer
SELECT c_custkey + 1000000000, c_name || ' II', c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment
FROM newcomers;
