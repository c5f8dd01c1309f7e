-- Room agents: an attempt may be made only to be compared with another.

alter table factotum.attempts drop constraint attempts_status_known;
alter table factotum.attempts add constraint attempts_status_known
  check (status in ('working', 'discarded', 'compared', 'asked', 'committed'));
