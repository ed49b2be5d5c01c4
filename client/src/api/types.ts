// Short names for what the generated types call by their place.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Monitor = Schemas["Monitor"];
export type MonitorStatus = Schemas["MonitorStatus"];
export type MonitorType = Schemas["MonitorType"];
export type CurrentStatus = Schemas["CurrentStatus"];
export type ResultStatus = Schemas["ResultStatus"];
export type ValidationRule = Schemas["ValidationRule"];
export type CheckEvent = Schemas["Event"];
export type UptimeBucket = Schemas["UptimeBucket"];
export type DistributionBucket = Schemas["DistributionBucket"];
export type Stats = Schemas["Stats"];
export type StatusReport = Schemas["StatusReport"];
export type Incident = Schemas["Incident"];
export type IncidentNote = Schemas["IncidentNote"];
export type IncidentTimeline = Schemas["IncidentTimeline"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type TimelineKind = Schemas["TimelineKind"];
export type Evidence = Schemas["Evidence"];
export type EvidenceStep = Schemas["EvidenceStep"];
export type OutageCause = Schemas["OutageCause"];
export type Channel = Schemas["Channel"];
export type TriggerEvent = Schemas["TriggerEvent"];
export type Delivery = Schemas["Delivery"];
export type DeliveryState = Schemas["DeliveryState"];
export type MaintenanceWindow = Schemas["MaintenanceWindow"];
export type Group = Schemas["Group"];
export type Notice = Schemas["Notice"];
export type Session = Schemas["Session"];
export type Organization = Schemas["Organization"];
export type Member = Schemas["Member"];
export type AuditEntry = Schemas["AuditEntry"];
export type ApiKey = Schemas["ApiKey"];
export type Role = Schemas["Role"];
export type Alert = Schemas["Alert"];
export type BacktestResponse = Schemas["BacktestResponse"];
export type BacktestOutcome = Schemas["BacktestOutcome"];
export type Badge = Schemas["Badge"];
export type ParsedResources = Schemas["ParseResourcesResponse"];
export type ParsedResource = Schemas["ParsedResource"];
export type ResourceProblem = Schemas["ResourceProblem"];
export type Region = Schemas["Region"];
export type Prober = Schemas["Prober"];
export type ProberHealth = Schemas["ProberHealth"];
export type ProberEnrolment = Schemas["ProberEnrolment"];
export type NoticeKind = Schemas["NoticeKind"];
export type BacktestWindow = Schemas["BacktestWindow"];

/** What a change may hold: any part of the whole. */
export type Draft<T> = T extends (infer E)[] ? Draft<E>[] : T extends object ? { [K in keyof T]?: Draft<T[K]> | null } : T;
