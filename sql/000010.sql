-- Room calls: the budget that a call is spent from.

alter table factotum.calls add column budget bigint;
comment on column factotum.calls.budget is
  'factotum.budgets.id; null where nothing limits it. No foreign key: the ledger''s rows are its own.';
