-- An airline of four flights: the columns that the tools use, and rows of our own.
create schema airline;
create table airline.users (user_id text primary key, seq int, first_name text, last_name text,
  email text, dob date,
  membership text, address1 text, address2 text, city text, country text, state text, zip text);
create table airline.payment_methods (user_id text, payment_method_id text, seq int, kind text, brand text,
  last_four text, amount numeric(10,2) check (amount >= 0), active boolean not null default true,
  primary key (user_id, payment_method_id));
create table airline.saved_passengers (user_id text, seq int, first_name text, last_name text, dob date,
  primary key (user_id, seq));
create table airline.flights (flight_number text primary key, seq int, origin text, destination text,
  scheduled_departure_est text, scheduled_arrival_est text);
create table airline.flight_days (flight_number text, date date, status text,
  actual_departure_est timestamp,
  actual_arrival_est timestamp, estimated_departure_est timestamp, estimated_arrival_est timestamp,
  primary key (flight_number, date));
create table airline.flight_fares (flight_number text, date date, cabin text,
  seats int check (seats >= 0), price int,
  primary key (flight_number, date, cabin));
create table airline.reservations (reservation_id text primary key, user_id text, user_seq int, origin text,
  destination text, flight_type text, cabin text, created_at timestamp, total_baggages int,
    nonfree_baggages int,
  insurance text, status text);
create table airline.reservation_flights (reservation_id text, seq int, flight_number text,
  date date, price int,
  primary key (reservation_id, seq));
create table airline.reservation_passengers (reservation_id text, seq int, first_name text,
  last_name text, dob date,
  primary key (reservation_id, seq));
create table airline.reservation_payments (reservation_id text, seq int, payment_method_id text,
  amount numeric(10,2),
  primary key (reservation_id, seq));
insert into airline.users values ('ida', 0, 'Ida', 'Berg', 'ida@example.com', '1990-01-01', 'gold',
  '1 Quay', '', 'Oslo', 'Norway', 'OS', '0150');
insert into airline.payment_methods values ('ida', 'certificate_1', 0, 'certificate', null, null, 100),
  ('ida', 'gift_card_1', 1, 'gift_card', null, null, 250), ('ida', 'credit_card_1', 2, 'credit_card',
    'visa', '1111', null);
insert into airline.flights values ('F1', 0, 'AAA', 'BBB', '08:00:00', '09:00:00'),
  ('F2', 1, 'BBB', 'CCC', '10:00:00', '11:00:00'), ('F3', 2, 'AAA', 'BBB', '20:00:00', '01:00:00+1'),
  ('F4', 3, 'AAA', 'CCC', '08:00:00', '12:00:00');
insert into airline.flight_days select flight_number, date, 'available'
  from airline.flights, (values (date '2024-05-20'), (date '2024-05-21')) as days (date);
insert into airline.flight_fares select flight_number, date, cabin,
  3 + extract(day from date)::int - 20, price
  from airline.flight_days, (values ('economy', 100), ('business', 200)) as cabins (cabin, price);
insert into airline.reservations values
  ('AAAAAA', 'ida', 0, 'AAA', 'CCC', 'one_way', 'economy', '2024-05-01', 1, 0, 'no', null);
insert into airline.reservation_flights values ('AAAAAA', 0, 'F1', '2024-05-20', 90),
  ('AAAAAA', 1, 'F2', '2024-05-20', 95);
insert into airline.reservation_passengers values ('AAAAAA', 0, 'Ida', 'Berg', '1990-01-01');
insert into airline.reservation_payments values ('AAAAAA', 0, 'gift_card_1', 185);
