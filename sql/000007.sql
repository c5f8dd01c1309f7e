-- Room agents: the calls of an attempt that its guards refused.

alter table factotum.attempts add column refusals jsonb not null default '[]';
