/**
 * The columns of the dataset Cost and Usage of FOCUS 1.4, the FinOps Open Cost and Usage Specification, as
 * its normative tables have them: https://focus.finops.org/focus-specification/ (read in November 2026).
 */

/** What a column holds. */
type FocusType = "string" | "decimal" | "date-time" | "json";

/** When a column has to be there: always, by recommendation, or where the provider's model has something. */
type FocusLevel = "mandatory" | "recommended" | FocusCondition;

/** What a provider's operating model may include. */
export type FocusCondition =
  | "availability-zones"
  | "billing-account-types"
  | "capacity-reservations"
  | "commitment-discounts"
  | "commitment-programs"
  | "contract-commitments"
  | "list-unit-prices"
  | "negotiated-pricing"
  | "payable-invoices"
  | "pricing-categories"
  | "pricing-currencies"
  | "provisioned-resources"
  | "regions"
  | "split-allocation"
  | "sub-account-types"
  | "sub-accounts"
  | "tags"
  | "unit-pricing"
  | "usage-measurement";

/** One column: its level, its type, whether it may be null, and the values it is bound to. */
export type FocusColumn = {
  readonly name: string;
  readonly level: FocusLevel;
  readonly type: FocusType;
  readonly nulls: boolean;
  readonly allowed?: readonly string[];
};

const never = false;
const maybe = true;
const row = (
  name: string,
  level: FocusLevel,
  type: FocusType,
  nulls: boolean,
  allowed?: readonly string[],
): FocusColumn => ({ name, level, type, nulls, ...(allowed !== undefined && { allowed }) });

const SERVICE_CATEGORIES = [
  ...["AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases"],
  ...["Developer Tools", "Identity", "Integration", "Internet of Things", "Management and Governance"],
  ...["Media", "Migration", "Mobile", "Multicloud", "Networking", "Security", "Storage", "Web", "Other"],
];
const AI_SUBCATEGORIES = [
  ...["AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing"],
  "Other (AI and Machine Learning)",
];

/** In the order of the specification. Of subcategories, those of AI: a ledger of models has no others. */
export const focusColumns: readonly FocusColumn[] = [
  row("AllocatedMethodDetails", "split-allocation", "json", maybe),
  row("AllocatedMethodId", "split-allocation", "string", maybe),
  row("AllocatedResourceId", "split-allocation", "string", maybe),
  row("AllocatedResourceName", "split-allocation", "string", maybe),
  row("AllocatedTags", "split-allocation", "json", maybe),
  row("AvailabilityZone", "availability-zones", "string", maybe),
  row("BilledCost", "mandatory", "decimal", never),
  row("BillingAccountId", "mandatory", "string", never),
  row("BillingAccountName", "mandatory", "string", maybe),
  row("BillingAccountType", "billing-account-types", "string", never),
  row("BillingCurrency", "mandatory", "string", never),
  row("BillingPeriodEnd", "mandatory", "date-time", never),
  row("BillingPeriodStart", "mandatory", "date-time", never),
  row("CapacityReservationId", "capacity-reservations", "string", maybe),
  row("CapacityReservationStatus", "capacity-reservations", "string", maybe, ["Used", "Unused"]),
  row("ChargeCategory", "mandatory", "string", never, ["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
  row("ChargeClass", "mandatory", "string", maybe, ["Correction"]),
  row("ChargeDescription", "mandatory", "string", maybe),
  row("ChargeFrequency", "recommended", "string", never, ["One-Time", "Recurring", "Usage-Based"]),
  row("ChargePeriodEnd", "mandatory", "date-time", never),
  row("ChargePeriodStart", "mandatory", "date-time", never),
  row("CommitmentDiscountCategory", "commitment-discounts", "string", maybe, ["Spend", "Usage"]),
  row("CommitmentDiscountId", "commitment-discounts", "string", maybe),
  row("CommitmentDiscountName", "commitment-discounts", "string", maybe),
  row("CommitmentDiscountQuantity", "commitment-discounts", "decimal", maybe),
  row("CommitmentDiscountStatus", "commitment-discounts", "string", maybe, ["Used", "Unused"]),
  row("CommitmentDiscountType", "commitment-discounts", "string", maybe),
  row("CommitmentDiscountUnit", "commitment-discounts", "string", maybe),
  row("CommitmentProgramEligibilityDetails", "commitment-programs", "json", maybe),
  row("ConsumedQuantity", "usage-measurement", "decimal", maybe),
  row("ConsumedUnit", "usage-measurement", "string", maybe),
  row("ContractApplied", "contract-commitments", "json", maybe),
  row("ContractedCost", "mandatory", "decimal", never),
  row("ContractedUnitPrice", "negotiated-pricing", "decimal", maybe),
  row("EffectiveCost", "mandatory", "decimal", never),
  row("HostProviderName", "mandatory", "string", never),
  row("InvoiceDetailId", "payable-invoices", "string", maybe),
  row("InvoiceId", "payable-invoices", "string", maybe),
  row("InvoiceIssuerName", "mandatory", "string", never),
  row("ListCost", "mandatory", "decimal", never),
  row("ListUnitPrice", "list-unit-prices", "decimal", maybe),
  row("PricingCategory", "pricing-categories", "string", maybe, [
    "Standard",
    "Dynamic",
    "Committed",
    "Other",
  ]),
  row("PricingCurrency", "pricing-currencies", "string", never),
  row("PricingCurrencyContractedUnitPrice", "pricing-currencies", "decimal", maybe),
  row("PricingCurrencyEffectiveCost", "pricing-currencies", "decimal", never),
  row("PricingCurrencyListUnitPrice", "pricing-currencies", "decimal", maybe),
  row("PricingQuantity", "mandatory", "decimal", maybe),
  row("PricingUnit", "mandatory", "string", maybe),
  row("RegionId", "regions", "string", maybe),
  row("RegionName", "regions", "string", maybe),
  row("ResourceId", "provisioned-resources", "string", maybe),
  row("ResourceName", "provisioned-resources", "string", maybe),
  row("ResourceType", "provisioned-resources", "string", maybe),
  row("ServiceCategory", "mandatory", "string", never, SERVICE_CATEGORIES),
  row("ServiceName", "mandatory", "string", never),
  row("ServiceProviderName", "mandatory", "string", never),
  row("ServiceSubcategory", "recommended", "string", never, AI_SUBCATEGORIES),
  row("SkuId", "unit-pricing", "string", maybe),
  row("SkuMeter", "unit-pricing", "string", maybe),
  row("SkuPriceDetails", "unit-pricing", "json", maybe),
  row("SkuPriceId", "unit-pricing", "string", maybe),
  row("SubAccountId", "sub-accounts", "string", maybe),
  row("SubAccountName", "sub-accounts", "string", maybe),
  row("SubAccountType", "sub-account-types", "string", maybe),
  row("Tags", "tags", "json", maybe),
];

/** What the operating model of a ledger of model calls includes. */
export const ledgerConditions: ReadonlySet<FocusCondition> = new Set([
  ...(["list-unit-prices", "negotiated-pricing", "sub-accounts", "tags"] as const),
  ...(["unit-pricing", "usage-measurement"] as const),
]);
