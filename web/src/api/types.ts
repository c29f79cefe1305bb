import type { components } from "@/api/schema";

// The API's shapes under the names that the interface uses.

type Schemas = components["schemas"];

export type ApiErrorBody = Schemas["ApiError"];
export type Server = Schemas["ServerBody"];
export type ServerDetails = Schemas["ServerDetailsBody"];
export type ServerStatus = Schemas["StatusBody"];
export type ServerState = Schemas["StateBody"];
export type Source = Schemas["SourceBody"];
export type Install = Schemas["InstallBody"];
export type InstallStep = Schemas["InstallStepBody"];
export type AddServer = Schemas["AddServerBody"];
export type EditServer = Schemas["EditServerBody"];
export type Limits = Schemas["LimitsBody"];
export type Folder = Schemas["FolderBody"];
export type LogLine = Schemas["LogLineBody"];
export type Tool = Schemas["ToolBody"];
export type Token = Schemas["TokenBody"];
export type AuditEvent = Schemas["AuditEventBody"];
export type SystemStatus = Schemas["SystemStatusBody"];
export type Finding = Schemas["FindingBody"];
export type BaseImage = Schemas["ImageBody"];
export type Usage = Schemas["UsageBody"];
export type EventsFrame = Schemas["EventsFrame"];
export type ServerEvent = Schemas["EventBody"];
export type Approval = Schemas["ApprovalBody"];
export type Grant = Schemas["GrantBody"];
export type Rule = Schemas["RuleBody"];
export type Scope = Schemas["ScopeBody"];
export type Effect = Schemas["EffectBody"];
export type ToolChanges = Schemas["ToolChangesBody"];
export type ToolReview = Schemas["ToolReviewBody"];
export type Provider = Schemas["ProviderBody"];
export type Model = Schemas["ModelBody"];
export type ModelList = Schemas["ModelListBody"];
export type ModelRef = Schemas["ModelRefBody"];
export type ChatBody = Schemas["ChatBody"];
export type ChatStatus = Schemas["ChatStatusBody"];
export type ChatDetailsBody = Schemas["ChatDetailsBody"];
export type MessageBody = Schemas["MessageBody"];
export type QueuedBody = Schemas["QueuedBody"];
export type AttachmentBody = Schemas["AttachmentBody"];
export type ChatToolBody = Schemas["ChatToolBody"];
export type MemoryBody = Schemas["MemoryBody"];
