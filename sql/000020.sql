-- Room `ledger`: limits that warn before a cap refuses, and what the configuration last said of a budget.

alter table factotum.budgets
  add column soft_micro_usd bigint,
  add column beyond_soft text not null default 'warn',
  add column declared jsonb,
  add constraint budgets_soft_check check (soft_micro_usd >= 0),
  add constraint budgets_beyond_soft_check check (beyond_soft in ('warn', 'degrade'));
comment on column factotum.budgets.soft_micro_usd is
  'Beyond this a person is warned, or only the cheapest model is called; null for none.';
comment on column factotum.budgets.declared is
  'What the configuration said when it was last applied: a cap that a person changed since is left alone.';
