-- A shop of two customers: the columns that the tools use, and rows of our own.
create schema retail;
create table retail.users (user_id text primary key, seq int, first_name text, last_name text,
  email text, address1 text, address2 text, city text, country text, state text, zip text);
create table retail.payment_methods (payment_method_id text primary key, user_id text, seq int,
  kind text, brand text,
  last_four text, balance numeric(10,2), constraint balance_not_negative check (balance >= 0));
create table retail.products (product_id text primary key, seq int, name text);
create table retail.variants (item_id text primary key, product_id text, seq int, price numeric(10,2),
  available boolean, options jsonb);
create table retail.orders (order_id text primary key, user_id text, seq int, status text, address1 text, address2 text, city text, country text, state text, zip text,
  cancel_reason text, exchange_payment_method_id text, exchange_price_difference numeric(10,2),
  return_payment_method_id text);
create table retail.order_items (order_id text, line_no int, item_id text, price numeric(10,2),
  options jsonb,
  primary key (order_id, line_no));
create table retail.fulfillments (tracking_id text primary key, order_id text, seq int);
create table retail.fulfillment_items (tracking_id text, seq int, item_id text,
  primary key (tracking_id, seq));
create table retail.order_payments (order_id text, seq int, kind text, amount numeric(10,2),
  payment_method_id text,
  primary key (order_id, seq));
create table retail.order_change_items (order_id text, role text, seq int, item_id text,
  primary key (order_id, role, seq));
insert into retail.users values
  ('ida', 0, 'Ida', 'Berg', 'ida@example.com', '1 Quay', '', 'Oslo', 'Norway', 'OS', '0150'),
  ('ola', 1, 'Ola', 'Lund', 'ola@example.com', '2 Hill', '', 'Oslo', 'Norway', 'OS', '0151');
insert into retail.payment_methods values
  ('gift_card_1', 'ida', 0, 'gift_card', null, null, 30), ('credit_card_1', 'ida', 1, 'credit_card',
    'visa', '1111', null),
  ('paypal_1', 'ola', 0, 'paypal', null, null, null);
insert into retail.products values ('p1', 0, 'Lamp'), ('p2', 1, 'Chair');
insert into retail.variants values
  ('l1', 'p1', 0, 10.10, true, '{"color": "red"}'), ('l2', 'p1', 1, 12.40, true, '{"color": "blue"}'),
  ('l3', 'p1', 2, 99.00, false, '{"color": "gold"}'), ('a9', 'p1', 3, 11.00, true, '{"color": "white"}'), ('c1', 'p2', 0, 50.00, true, '{"legs": "4"}'),
  ('c2', 'p2', 1, 45.55, true, '{"legs": "3"}');
insert into retail.orders (order_id, user_id, seq, status, address1, address2, city, country, state,
  zip) values
  ('#W1', 'ida', 0, 'pending', '1 Quay', '', 'Oslo', 'Norway', 'OS', '0150'),
  ('#W2', 'ida', 1, 'delivered', '1 Quay', '', 'Oslo', 'Norway', 'OS', '0150');
insert into retail.order_items values
  ('#W1', 0, 'l1', 10.10, '{"color": "red"}'), ('#W1', 1, 'c1', 50.00, '{"legs": "4"}'),
  ('#W2', 0, 'l2', 12.40, '{"color": "blue"}'), ('#W2', 1, 'c1', 50.00, '{"legs": "4"}');
insert into retail.order_payments values ('#W1', 0, 'payment', 60.10, 'gift_card_1'),
  ('#W2', 0, 'payment', 62.40, 'credit_card_1');
