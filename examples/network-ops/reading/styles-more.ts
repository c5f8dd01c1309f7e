/** More invented notices: layouts and wordings beyond the plain ones. See styles.ts. */
import type { Draft } from "./styles.ts";

export const MORE: readonly Draft[] = [
  {
    name: "from and to as labels",
    carrier: "Vantage Loop",
    subject: "Vantage Loop - Planned Work - VL-PW-00321",
    text: `Planned Work Notification
Planned work reference: VL-PW-00321
From: 2024-05-14 01:00:00 (UTC)
To: 2024-05-14 05:00:00 (UTC)
Effect: Your service will be down.
Service: VLX-5512`,
    id: "VL-PW-00321",
    circuits: ["VLX-5512"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "dates, times and the zone in fields of their own",
    carrier: "Vantage Loop",
    subject: "Vantage Loop - Planned Work - VL-PW-00322",
    text: `Planned Work Notification
Planned work reference: VL-PW-00322
Start Date: 24/05/2024
Start Time: 01:00
End Date: 24/05/2024
End Time: 05:00
Timezone: CEST
Effect: Your service will be down.
Service: VLX-5512`,
    id: "VL-PW-00322",
    circuits: ["VLX-5512"],
    windows: [["2024-05-23T23:00:00Z", "2024-05-24T03:00:00Z"]],
  },
  {
    name: "one sentence with an offset",
    carrier: "Vantage Loop",
    subject: "Vantage Loop planned work VL-PW-00323",
    text: `Dear partner,
please be informed that planned work VL-PW-00323 will take place on 14th May 2024 from 01:00 to 05:00 (UTC+2).
The following service will be interrupted during the window: VLX-5512.`,
    id: "VL-PW-00323",
    circuits: ["VLX-5512"],
    windows: [["2024-05-13T23:00:00Z", "2024-05-14T03:00:00Z"]],
  },
  {
    name: "Eastern Time with one day for both times",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber Maintenance Notice (Ticket #440921)",
    text: `Ridgeline Fiber Maintenance Notice
Ticket #: 440921
Tuesday, May 14, 2024 at 12:01 AM – 6:00 AM Eastern Time
Work: fiber splicing
Expected outage: 2 hours
Circuits Affected: RF-DS3-77120
Call 800-555-0199 with questions.`,
    id: "440921",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T04:01:00Z", "2024-05-14T10:00:00Z"]],
  },
  {
    name: "one table for all of it",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber maintenance 440922",
    text: `Ridgeline Fiber Maintenance Notice
| Maintenance ID | Start | End | Impact | Circuit
| 440922 | 2024-05-14 05:00 UTC | 2024-05-14 09:00 UTC | Outage | RF-DS3-77120`,
    id: "440922",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "labels without colons",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber maintenance 440923",
    text: `Ridgeline Fiber Maintenance Notice
Maintenance ID
440923
Start Time
May 14, 2024 05:00 UTC
End Time
May 14, 2024 09:00 UTC
Impact
Outage
Circuit ID
RF-DS3-77120`,
    id: "440923",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "values behind dashes",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber planned maintenance, Maintenance ID 440924",
    text: `Ridgeline Fiber will perform planned maintenance.
Maintenance ID - 440924
Start - 14 May 2024 05:00 UTC
End - 14 May 2024 09:00 UTC
Circuit - RF-DS3-77120
Your service will experience an outage of up to 20 minutes.`,
    id: "440924",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "a German notice",
    carrier: "Isarnetz",
    subject: "Isarnetz: Geplante Wartungsarbeiten WA-20240077",
    text: `Sehr geehrte Damen und Herren,
wir führen geplante Wartungsarbeiten durch.
Wartungs-ID: WA-20240077
Beginn: 14.05.2024 01:00 Uhr MESZ
Ende: 14.05.2024 05:00 Uhr MESZ
Auswirkung: Unterbrechung des Dienstes
Leitung: IN-4711-A`,
    ask: true,
    id: "WA-20240077",
    circuits: ["IN-4711-A"],
    windows: [["2024-05-13T23:00:00Z", "2024-05-14T03:00:00Z"]],
  },
  {
    name: "planned and actual times",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber maintenance 440925 completed",
    text: `Ridgeline Fiber Maintenance Notice: the work has been completed.
Maintenance ID: 440925
Planned start: 2024-05-14 05:00 UTC
Planned end: 2024-05-14 09:00 UTC
Actual start: 2024-05-14 05:12 UTC
Actual end: 2024-05-14 07:40 UTC
Impact: outage
Circuit: RF-DS3-77120`,
    ask: true,
    id: "440925",
    status: "COMPLETED",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "two circuits with two impacts on one line",
    carrier: "Vantage Loop",
    subject: "Vantage Loop - Planned Work - VL-PW-00324",
    text: `Planned Work Notification
Planned work reference: VL-PW-00324
Start: 2024-05-14 01:00 UTC
End: 2024-05-14 05:00 UTC
Services: VLX-5512 (outage), VLX-5513 (no impact)`,
    ask: true,
    id: "VL-PW-00324",
    circuits: ["VLX-5512", "VLX-5513"],
    impacts: { "VLX-5513": "NO-IMPACT" },
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "impact hours inside a longer window",
    carrier: "Vantage Loop",
    subject: "Vantage Loop - Planned Work - VL-PW-00325",
    text: `Planned Work Notification
Planned work reference: VL-PW-00325
Maintenance start: 2024-05-14 01:00 UTC
Maintenance end: 2024-05-14 05:00 UTC
Impact start: 2024-05-14 02:00 UTC
Impact end: 2024-05-14 02:30 UTC
Impact: outage
Service: VLX-5512`,
    ask: true,
    id: "VL-PW-00325",
    circuits: ["VLX-5512"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "an older ticket is related",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber maintenance 440926",
    text: `Ridgeline Fiber planned maintenance notice
Maintenance ID: 440926
Related maintenance: 440911
Start: 2024-05-14 05:00 UTC
End: 2024-05-14 09:00 UTC
Impact: outage
Circuit: RF-DS3-77120`,
    id: "440926",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "boilerplate full of other statuses",
    carrier: "Ridgeline Fiber",
    subject: "Ridgeline Fiber maintenance 440927",
    text: `Ridgeline Fiber planned maintenance notice
If this maintenance is cancelled or rescheduled you will be informed. Once completed, a notice follows.
Maintenance ID: 440927
Start: 2024-05-14 05:00 UTC
End: 2024-05-14 09:00 UTC
Impact: outage
Circuit: RF-DS3-77120`,
    id: "440927",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "a reminder",
    carrier: "Ridgeline Fiber",
    subject: "REMINDER: Ridgeline Fiber maintenance 440928 starts in 24 hours",
    text: `This is a reminder of our planned maintenance.
Maintenance ID: 440928
Start: 2024-05-14 05:00 UTC
End: 2024-05-14 09:00 UTC
Impact: outage
Circuit: RF-DS3-77120`,
    id: "440928",
    circuits: ["RF-DS3-77120"],
    windows: [["2024-05-14T05:00:00Z", "2024-05-14T09:00:00Z"]],
  },
  {
    name: "reduced redundancy told in prose",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55110",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55110
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Your service HAL/ETH/0042 will run without redundancy during the window.`,
    id: "CHG-55110",
    circuits: ["HAL/ETH/0042"],
    impact: "REDUCED-REDUNDANCY",
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "a promise that becomes a risk",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55111",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55111
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Impact: no outage expected, however your service will be at risk
Service: HAL/ETH/0042`,
    ask: true,
    id: "CHG-55111",
    circuits: ["HAL/ETH/0042"],
    impact: "NO-IMPACT",
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "service affecting, and nothing softer",
    carrier: "Halcyon Networks",
    subject: "Service Affecting Scheduled work CHG-55112",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55112
Service affecting: Yes
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Service: HAL/ETH/0042`,
    id: "CHG-55112",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "no word about impact",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55113",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55113
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Service: HAL/ETH/0042`,
    ask: true,
    id: "CHG-55113",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "degraded",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55114",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55114
Impact: degraded performance
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Service: HAL/ETH/0042`,
    id: "CHG-55114",
    circuits: ["HAL/ETH/0042"],
    impact: "DEGRADED",
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "tentative",
    carrier: "Halcyon Networks",
    subject: "Tentative: scheduled work CHG-55115",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55115
Status: Tentative
Impact: outage
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Service: HAL/ETH/0042`,
    id: "CHG-55115",
    status: "TENTATIVE",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "a backup night",
    carrier: "Halcyon Networks",
    subject: "Scheduled work CHG-55116",
    text: `Halcyon Networks will carry out scheduled maintenance.
Change reference: CHG-55116
Impact: outage
Window: 14 May 2024 01:00 UTC to 14 May 2024 05:00 UTC
Backup window: 15 May 2024 01:00 UTC to 15 May 2024 05:00 UTC
Service: HAL/ETH/0042`,
    ask: true,
    id: "CHG-55116",
    circuits: ["HAL/ETH/0042"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "weekday names before times, zone in a heading",
    carrier: "Orrery Telecom",
    subject: "Orrery Telecom Planned Maintenance OT-7788",
    text: `Planned maintenance announcement
Maintenance reference: OT-7788
All times are in UTC.
Start: Tuesday 14 May 2024, 01:00
End: Tuesday 14 May 2024, 05:00
Impact: outage
Circuit: ORR-EPL-5501`,
    id: "OT-7788",
    circuits: ["ORR-EPL-5501"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "a circuit of another carrier is mentioned",
    carrier: "Orrery Telecom",
    subject: "Orrery Telecom Planned Maintenance OT-7789",
    text: `Planned maintenance announcement
Maintenance reference: OT-7789
Start: 14 May 2024 01:00 UTC
End: 14 May 2024 05:00 UTC
Impact: outage
Circuit: ORR-EPL-5501
Cross connect: HAL/ETH/0042`,
    id: "OT-7789",
    circuits: ["ORR-EPL-5501"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
];
