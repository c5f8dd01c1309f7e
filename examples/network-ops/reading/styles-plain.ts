/** Invented notices in plain wordings and layouts. See styles.ts. */
import type { Draft } from "./styles.ts";

export const PLAIN: readonly Draft[] = [
  {
    name: "labels in UTC",
    carrier: "Norrland Fibre",
    subject: "Norrland Fibre planned maintenance NF-20931",
    text: `Dear customer,
We will be performing planned maintenance in our network.
Maintenance ID: NF-20931
Start: 2024-05-14 01:00 UTC
End: 2024-05-14 05:00 UTC
Location: Umeå
Impact: Outage
Affected circuits:
NFE-100234
NFE-100235
Norrland Fibre NOC`,
    id: "NF-20931",
    circuits: ["NFE-100234", "NFE-100235"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "prose with a weekday and a reference",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55102 on Tuesday 14 May 2024",
    text: `Hello,

On Tuesday, 14 May 2024, between 01:00 UTC and 05:00 UTC, Halcyon Networks will carry out scheduled
maintenance on a core router. Your service HAL/ETH/0042 will be unavailable for up to 30 minutes.
Please quote reference CHG-55102 when you contact us.

Regards,
Halcyon Networks service desk, +44 20 7946 0018`,
    id: "CHG-55102",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "American clock and zone",
    carrier: "Prairie Light",
    subject: "Prairie Light Maintenance Notification - Ticket 7781203",
    text: `PLANNED MAINTENANCE NOTIFICATION
Ticket Number: 7781203
Start Date/Time: 05/14/2024 12:00 AM CDT
End Date/Time: 05/14/2024 6:00 AM CDT
Service Impact: Loss of service up to 60 minutes
Circuit ID | Location A | Location Z
PL.ETH.00981 | Omaha, NE | Lincoln, NE
Account Number: 8829910`,
    id: "7781203",
    circuits: ["PL.ETH.00981"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T11:00:00Z"]],
  },
  {
    name: "day and month that can change places",
    carrier: "Prairie Light",
    subject: "Planned maintenance 7781204",
    text: `Planned maintenance notification
Maintenance number: 7781204
Start: 03/04/2024 01:00 UTC
End: 03/04/2024 05:00 UTC
Impact: outage
Circuit: PL.ETH.00981`,
    ask: true,
    id: "7781204",
    circuits: ["PL.ETH.00981"],
    windows: [["2024-04-03T01:00:00Z", "2024-04-03T05:00:00Z"]],
  },
  {
    name: "day and month settled by the weekday",
    carrier: "Prairie Light",
    subject: "Planned maintenance 7781205",
    text: `Planned maintenance notification
Maintenance number: 7781205
Start: Wednesday 03/04/2024 01:00 UTC
End: Wednesday 03/04/2024 05:00 UTC
Impact: outage
Circuit: PL.ETH.00981`,
    id: "7781205",
    circuits: ["PL.ETH.00981"],
    windows: [["2024-04-03T01:00:00Z", "2024-04-03T05:00:00Z"]],
  },
  {
    name: "date and times on two lines, over midnight",
    carrier: "Kestrel Cable",
    subject: "Kestrel Cable: emergency maintenance, ref KC2024-118",
    text: `Emergency maintenance notice
Our reference: KC2024-118
Date: 14 May 2024
Time: 22:00 - 04:00 UTC
Services affected: KCW-7734
Customer impact: Hard down for the duration of the window`,
    id: "KC2024-118",
    circuits: ["KCW-7734"],
    windows: [["2024-05-14T22:00:00Z", "2024-05-15T04:00:00Z"]],
  },
  {
    name: "circuits in an attached table",
    carrier: "Orrery Telecom",
    subject: "Orrery Telecom | Change CHG0099120 | Scheduled maintenance",
    text: `Dear Customer,
Orrery Telecom will perform scheduled maintenance. The affected services are listed in the attachment.
Change number: CHG0099120
Start time: 2024-11-03T01:30:00Z
End time: 2024-11-03T06:00:00Z
Impact: service interruption of up to 15 minutes`,
    attachments: [
      {
        name: "services.csv",
        contentType: "text/csv",
        text: "Order,Circuit ID,Site\n4410092,ORR-EPL-5501,Leeds\n4410093,ORR-EPL-5502,York\n",
      },
    ],
    id: "CHG0099120",
    circuits: ["ORR-EPL-5501", "ORR-EPL-5502"],
    windows: [["2024-11-03T01:30:00Z", "2024-11-03T06:00:00Z"]],
  },
  {
    name: "two numbered windows",
    carrier: "Orrery Telecom",
    subject: "Orrery Telecom | Change CHG0099121 | Scheduled maintenance",
    text: `Orrery Telecom will perform scheduled maintenance on two nights.
Change number: CHG0099121
Window 1: 2024-11-05 01:00 - 05:00 UTC
Window 2: 2024-11-06 01:00 - 05:00 UTC
Impact: outage
Circuit ID: ORR-EPL-5501`,
    id: "CHG0099121",
    circuits: ["ORR-EPL-5501"],
    windows: [
      ["2024-11-05T01:00:00Z", "2024-11-05T05:00:00Z"],
      ["2024-11-06T01:00:00Z", "2024-11-06T05:00:00Z"],
    ],
  },
  {
    name: "old and new time, both named",
    carrier: "Orrery Telecom",
    subject: "RESCHEDULED: Orrery Telecom | Change CHG0099122",
    text: `The maintenance below has been rescheduled.
Change number: CHG0099122
Original window: 2024-11-05 01:00 - 05:00 UTC
New window: 2024-11-12 01:00 - 05:00 UTC
Impact: outage
Circuit ID: ORR-EPL-5501`,
    id: "CHG0099122",
    status: "RE-SCHEDULED",
    circuits: ["ORR-EPL-5501"],
    windows: [["2024-11-12T01:00:00Z", "2024-11-12T05:00:00Z"]],
  },
  {
    name: "cancellation above the quoted announcement",
    carrier: "Halcyon Networks",
    subject: "CANCELLED: scheduled work CHG-55103",
    text: `Dear customer,
Please be informed that the maintenance below has been cancelled. We apologise for any inconvenience.

From: noc@halcyon.example
Sent: Monday, 6 May 2024 10:00
Subject: Scheduled work CHG-55103
> Halcyon Networks will carry out scheduled maintenance.
> Maintenance reference: CHG-55103
> Start: 14 May 2024 01:00 UTC
> End: 14 May 2024 05:00 UTC
> Impact: outage
> Circuit: HAL/ETH/0042`,
    id: "CHG-55103",
    status: "CANCELLED",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "completion",
    carrier: "Kestrel Cable",
    subject: "Kestrel Cable: maintenance KC2024-119 completed",
    text: `Dear customer,
the maintenance KC2024-119 has been completed successfully.
Reference: KC2024-119
Start: Tue, 14 May 2024 22:00 GMT
End: Wed, 15 May 2024 04:00 GMT
Service ID: KCW-7734
Impact: outage`,
    id: "KC2024-119",
    status: "COMPLETED",
    circuits: ["KCW-7734"],
    windows: [["2024-05-14T22:00:00Z", "2024-05-15T04:00:00Z"]],
  },
  {
    name: "begun",
    carrier: "Kestrel Cable",
    subject: "Kestrel Cable: maintenance KC2024-119 has started",
    text: `Dear customer,
the maintenance KC2024-119 has now started.
Reference: KC2024-119
Start: Tue, 14 May 2024 22:00 GMT
End: Wed, 15 May 2024 04:00 GMT
Service ID: KCW-7734
Impact: outage`,
    id: "KC2024-119",
    status: "IN-PROCESS",
    circuits: ["KCW-7734"],
    windows: [["2024-05-14T22:00:00Z", "2024-05-15T04:00:00Z"]],
  },
  {
    name: "local time with UTC beside it",
    carrier: "Rheinwelle",
    subject: "Rheinwelle Planned Work PW-4471",
    text: `Planned Work Notification
Planned Work ID: PW-4471
Start: 14-May-2024 03:00 CEST (01:00 UTC)
End: 14-May-2024 07:00 CEST (05:00 UTC)
Expected impact: Loss of redundancy
Circuits: RW-88412-B`,
    id: "PW-4471",
    circuits: ["RW-88412-B"],
    impact: "REDUCED-REDUNDANCY",
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "no zone anywhere",
    carrier: "Rheinwelle",
    subject: "Rheinwelle Planned Work PW-4472",
    text: `Planned Work Notification
Planned Work ID: PW-4472
Start: 14-May-2024 03:00
End: 14-May-2024 07:00
Expected impact: Outage
Circuits: RW-88412-B`,
    ask: true,
    id: "PW-4472",
    circuits: ["RW-88412-B"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "an account number where an id would be",
    carrier: "Rheinwelle",
    subject: "Rheinwelle Planned Work",
    text: `Planned Work Notification
Customer ID: 4410992
Account ID: 99120331
Start: 14-May-2024 03:00 UTC
End: 14-May-2024 07:00 UTC
Expected impact: Outage
Circuits: RW-88412-B`,
    ask: true,
    id: "PW-4473",
    circuits: ["RW-88412-B"],
    windows: [["2024-05-14T03:00:00Z", "2024-05-14T07:00:00Z"]],
  },
  {
    name: "two maintenance ids",
    carrier: "Rheinwelle",
    subject: "Rheinwelle Planned Work",
    text: `Planned Work Notification
Planned Work ID: PW-4474
Maintenance ID: PW-4475
Start: 14-May-2024 03:00 UTC
End: 14-May-2024 07:00 UTC
Expected impact: Outage
Circuits: RW-88412-B`,
    ask: true,
    id: "PW-4474",
    circuits: ["RW-88412-B"],
    windows: [["2024-05-14T03:00:00Z", "2024-05-14T07:00:00Z"]],
  },
];
