-- Room `ledger`: what was spent, by each leaf that it counts on, so that sums by budget can be hashed.

create view factotum.spent_of as
  select s.budget as leaf, s.spent_micro_usd, s.at from factotum.spendings s where s.budget is not null
  union all
  select leaf, s.spent_micro_usd, s.at from factotum.spendings s, unnest(s.also) leaf where s.also is not null;
comment on view factotum.spent_of is
  'Spendings once for each tree: a call counts on the budget it is spent from, and on its model''s.';
