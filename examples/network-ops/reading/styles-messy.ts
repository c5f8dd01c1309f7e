/** Invented notices as mail clients leave them: wrapped, flattened, with footers. See styles.ts. */
import type { Draft } from "./styles.ts";

export const MESSY: readonly Draft[] = [
  {
    name: "a period with zone in brackets, Asian layout",
    carrier: "Lotus Cable",
    subject: "[Lotus Cable] Planned Maintenance Notification - LC20240514A1",
    text: `Dear Valued Customer,

Please be informed of the planned maintenance below.

Event ID : LC20240514A1
Maintenance Date/Time : From 2024-05-13 16:00 To 2024-05-13 22:00 (GMT+8)
Purpose : To avoid fault and improve stability
Impact to service : Service Down
Service outage duration : 30 mins
Affected Service(s) :
1. LC-HKG-TYO-10G-007
2. LC-HKG-SIN-10G-012

Should you have any query, please contact our 24x7 hotline at +852 5555 0101.`,
    id: "LC20240514A1",
    circuits: ["LC-HKG-TYO-10G-007", "LC-HKG-SIN-10G-012"],
    windows: [["2024-05-13T08:00:00Z", "2024-05-13T14:00:00Z"]],
  },
  {
    name: "label columns flattened to one cell a line",
    carrier: "Deepwater Systems",
    subject: "Planned Work Notification PWN-88-1203",
    text: `Planned Work Notification
 | Reference Number
 | PWN-88-1203
 | Work Type
 | Planned
 | Start Date (UTC)
 | 14-May-2024 01:00
 | End Date (UTC)
 | 14-May-2024 05:00
 | Impact
 | Traffic outage
 | Circuit ID
 | DWS-0077-LON
Kind regards`,
    id: "PWN-88-1203",
    circuits: ["DWS-0077-LON"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "label and value side by side in table rows",
    carrier: "Deepwater Systems",
    subject: "Planned Work Notification PWN-88-1204",
    text: `Planned Work Notification
| Reference Number | PWN-88-1204
| Work Type | Planned
| Start Date (UTC) | 14-May-2024 01:00
| End Date (UTC) | 14-May-2024 05:00
| Impact | Traffic outage
| Circuit ID | DWS-0077-LON
Kind regards`,
    id: "PWN-88-1204",
    circuits: ["DWS-0077-LON"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "a wrapped sentence holds the window",
    carrier: "Deepwater Systems",
    subject: "Deepwater Systems scheduled maintenance, change CR-20931",
    text: `Dear customer,

This is to notify you that Deepwater Systems will perform scheduled maintenance
starting on 14 May 2024 at 01:00 UTC
and ending on 14 May 2024 at 05:00 UTC.

Change ID: CR-20931
During this time your circuit DWS-0077-LON is expected to be down
for up to two hours.`,
    id: "CR-20931",
    circuits: ["DWS-0077-LON"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
  {
    name: "month first, twelve hours, zone in the label",
    carrier: "Ponderosa Fiber",
    subject: "Ponderosa Fiber - Maintenance Notification - 5540912",
    text: `Maintenance Notification
Maintenance Ticket: 5540912
Maintenance Start (Mountain Time): May 14 2024 12:01 AM
Maintenance End (Mountain Time): May 14 2024 6:00 AM
Reason: Fiber relocation
Service Affecting: Yes
Circuits: PF/GE/5501/DEN
NOC: (888) 555-0143`,
    id: "5540912",
    circuits: ["PF/GE/5501/DEN"],
    windows: [["2024-05-14T06:01:00Z", "2024-05-14T12:00:00Z"]],
  },
  {
    name: "several zones for one window",
    carrier: "Ponderosa Fiber",
    subject: "Ponderosa Fiber - Maintenance Notification - 5540913",
    text: `Maintenance Notification
Maintenance Ticket: 5540913
Window:
2024-05-14 00:00 MDT - 2024-05-14 06:00 MDT
2024-05-14 02:00 EDT - 2024-05-14 08:00 EDT
2024-05-14 06:00 UTC - 2024-05-14 12:00 UTC
Customer impact: Outage
Circuits: PF/GE/5501/DEN`,
    id: "5540913",
    circuits: ["PF/GE/5501/DEN"],
    windows: [["2024-05-14T06:00:00Z", "2024-05-14T12:00:00Z"]],
  },
  {
    name: "a notice inside a disclaimer and footers",
    carrier: "Ponderosa Fiber",
    subject: "[EXTERNAL] FW: Ponderosa Fiber - Emergency Maintenance - 5540914",
    text: `CAUTION: This email originated outside of the organization.

-----Original Message-----
From: Ponderosa NOC <noc@ponderosa.example>
Sent: Monday, May 13, 2024 9:05 AM
To: customers
Subject: Ponderosa Fiber - Emergency Maintenance - 5540914

Ponderosa Fiber will be performing emergency maintenance.

Maintenance ID: 5540914
Start: 05/14/2024 00:00 MDT
End: 05/14/2024 06:00 MDT
Impact: Loss of service for the duration of the window
Circuit: PF/GE/5501/DEN

Confidentiality notice: this message was last updated 01/02/2020. If you received it in error, delete it.`,
    id: "5540914",
    circuits: ["PF/GE/5501/DEN"],
    windows: [["2024-05-14T06:00:00Z", "2024-05-14T12:00:00Z"]],
  },
  {
    name: "status in a field, id in the subject and a reference",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048812 Scheduled",
    text: `Network maintenance announcement

Ticket: 00048812
Status: Scheduled
Planned start: 2024-05-14 00:00 CEST
Planned end: 2024-05-14 06:00 CEST
Services affected: OL-33021 (10GE Malmo - Copenhagen)
Expected impact: Service interruption, up to 10 minutes`,
    id: "00048812",
    circuits: ["OL-33021"],
    windows: [["2024-05-13T22:00:00Z", "2024-05-14T04:00:00Z"]],
  },
  {
    name: "protected circuits elsewhere, ours is hit",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048813",
    text: `Network maintenance announcement
Ticket: 00048813
Planned start: 2024-05-14 00:00 CEST
Planned end: 2024-05-14 06:00 CEST
Customers with protected services will see a switch to the other path only.
| Service | Impact
| OL-33021 | Outage`,
    id: "00048813",
    circuits: ["OL-33021"],
    windows: [["2024-05-13T22:00:00Z", "2024-05-14T04:00:00Z"]],
  },
  {
    name: "hitless work",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048814",
    text: `Network maintenance announcement
Ticket: 00048814
Planned start: 2024-05-14 00:00 CEST
Planned end: 2024-05-14 06:00 CEST
Service: OL-33021
Impact: The work is hitless, no impact on your service is expected.`,
    id: "00048814",
    circuits: ["OL-33021"],
    impact: "NO-IMPACT",
    windows: [["2024-05-13T22:00:00Z", "2024-05-14T04:00:00Z"]],
  },
  {
    name: "extended, with a new end only",
    carrier: "Oresund Link",
    subject: "EXTENDED: Oresund Link Network Maintenance Ticket 00048815",
    text: `The maintenance has been extended. New end: 2024-05-14 08:00 CEST
Ticket: 00048815
Planned start: 2024-05-14 00:00 CEST
Planned end: 2024-05-14 06:00 CEST
Service: OL-33021
Impact: outage`,
    ask: true,
    id: "00048815",
    status: "RE-SCHEDULED",
    circuits: ["OL-33021"],
    windows: [["2024-05-13T22:00:00Z", "2024-05-14T06:00:00Z"]],
  },
  {
    name: "will begin shortly",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048816 starting",
    text: `The maintenance below will start shortly.
Ticket: 00048816
Planned start: 2024-05-14 00:00 CEST
Planned end: 2024-05-14 06:00 CEST
Service: OL-33021
Impact: outage`,
    ask: true,
    id: "00048816",
    circuits: ["OL-33021"],
    windows: [["2024-05-13T22:00:00Z", "2024-05-14T04:00:00Z"]],
  },
  {
    name: "a table of windows, one for each circuit",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048817",
    text: `Network maintenance announcement
Ticket: 00048817
| Service | Start (UTC) | End (UTC) | Impact
| OL-33021 | 2024-05-14 00:00 | 2024-05-14 02:00 | Outage
| OL-33022 | 2024-05-15 00:00 | 2024-05-15 02:00 | Outage`,
    ask: true,
    id: "00048817",
    circuits: ["OL-33021", "OL-33022"],
    windows: [["2024-05-14T00:00:00Z", "2024-05-14T02:00:00Z"]],
  },
  {
    name: "start and a length instead of an end",
    carrier: "Oresund Link",
    subject: "Oresund Link Network Maintenance Ticket 00048818",
    text: `Network maintenance announcement
Ticket: 00048818
Start: 2024-05-14 00:00 UTC
Maintenance duration: 4 hours
Service: OL-33021
Impact: outage`,
    ask: true,
    id: "00048818",
    circuits: ["OL-33021"],
    windows: [["2024-05-14T00:00:00Z", "2024-05-14T04:00:00Z"]],
  },
  {
    name: "start and end times apart from their zone line",
    carrier: "Lotus Cable",
    subject: "[Lotus Cable] Planned Maintenance Notification - LC20240514A2",
    text: `Planned maintenance notification
Event ID : LC20240514A2
Start Time: 2024-05-14 16:00
End Time: 2024-05-14 22:00
Time Zone: UTC+08:00
Impact to service : Service Down
Affected Service : LC-HKG-TYO-10G-007`,
    id: "LC20240514A2",
    circuits: ["LC-HKG-TYO-10G-007"],
    windows: [["2024-05-14T08:00:00Z", "2024-05-14T14:00:00Z"]],
  },
  {
    name: "a date once, times with seconds and hrs",
    carrier: "Lotus Cable",
    subject: "[Lotus Cable] Planned Maintenance Notification - LC20240514A3",
    text: `Planned maintenance notification
Event ID : LC20240514A3
Date : 14th May 2024
Time : 0100 hrs - 0500 hrs (UTC)
Service impact : Loss of service
Affected Service : LC-HKG-TYO-10G-007`,
    id: "LC20240514A3",
    circuits: ["LC-HKG-TYO-10G-007"],
    windows: [["2024-05-14T01:00:00Z", "2024-05-14T05:00:00Z"]],
  },
];
