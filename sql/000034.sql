-- Room `runs`: limits that a configuration declares, so that those it no longer declares can be lifted.

alter table factotum.limits add column declared_by text;
comment on column factotum.limits.declared_by is
  'The project whose configuration says so; null: a person does.';
