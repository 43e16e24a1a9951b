#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/json.h"
#include "scheduler/catalogue.h"
#include "twin/csv.h"
#include "twin/formats/builder.h"
#include "twin/kind_times.h"

namespace millrace::twin {
namespace {

constexpr std::int64_t kTokensMax = 1'000'000'000;
constexpr std::size_t kIntervalsMax = 1'000'000;
constexpr double kReplicasMax = 100'000;
constexpr std::string_view kMeasuredOn = "nvidia-h100-sxm";  // ServiceRule's rates

}  // namespace

Result<void> ServiceLoad::request(TraceTime at, std::int64_t input_tokens, std::int64_t output_tokens,
                                  std::int64_t line) {
  const auto index = static_cast<std::size_t>(at / TraceTime(builder_.options().service.interval));
  if (index >= kIntervalsMax) {
    return failure(ErrorCode::kExhausted,
                   fmt::format("{}:{}: a request more than {} intervals after the first", builder_.file(),
                               line, kIntervalsMax));
  }
  if (index >= intervals_.size()) intervals_.resize(index + 1);
  ++requests_;
  auto& interval = intervals_[index];
  ++interval.requests;
  interval.input_tokens += input_tokens;
  interval.output_tokens += output_tokens;
  return {};
}

ServiceLoad::Rates ServiceLoad::rates() const {
  const auto& rule = builder_.options().service;
  const Capability measured = (*scheduler::find_kind(kMeasuredOn))->capability();
  const Capability& here = builder_.site().cluster.kinds[builder_.room().reference];
  const bool alone = rule.accelerators_per_replica <= 1;
  const auto faster = [&](WorkProfile profile) {
    const auto there_s = seconds_on(measured, profile, alone);
    const auto here_s = seconds_on(here, profile, alone);
    return there_s && here_s ? std::optional(*there_s / *here_s) : std::nullopt;
  };
  const auto prefill = faster(WorkProfile::kPrefill);
  const auto decode = faster(WorkProfile::kDecode);
  return {.prefill_tokens_per_s = rule.prefill_tokens_per_s * prefill.value_or(1.0),
          .decode_tokens_per_s = rule.decode_tokens_per_s * decode.value_or(1.0),
          .known = prefill && decode};
}

std::vector<std::int32_t> ServiceLoad::replicas_wanted(const Rates& rates) {
  const auto& rule = builder_.options().service;
  const double scale = static_cast<double>(rule.requests_scale_milli) / 1000;
  const double capacity = static_cast<double>(rule.interval.count()) * rule.utilisation;
  std::vector<std::int32_t> wanted;
  for (auto& interval : intervals_) {
    const double busy_s = scale * (static_cast<double>(interval.input_tokens) / rates.prefill_tokens_per_s +
                                   static_cast<double>(interval.output_tokens) / rates.decode_tokens_per_s);
    interval.replicas = std::max(
        rule.replicas_min, static_cast<std::int32_t>(std::min(std::ceil(busy_s / capacity), kReplicasMax)));
    wanted.push_back(interval.replicas);
  }
  if (wanted.empty()) return wanted;
  // Kept for the linger, after the last interval of the trace too: the largest of the last intervals.
  const auto linger =
      static_cast<std::size_t>((rule.linger + rule.interval - std::chrono::seconds(1)) / rule.interval);
  std::vector<std::int32_t> kept(wanted.size() + linger);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto first = i - std::min(i, linger);
    kept[i] = *std::max_element(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                                wanted.begin() + static_cast<std::ptrdiff_t>(std::min(i + 1, wanted.size())));
  }
  return kept;
}

namespace {

/// A replica that stands, and the tokens that came to it so far.
struct Replica {
  std::size_t since = 0;  // interval
  std::int64_t input_tokens = 0, output_tokens = 0;
};

/// Gives the k-th replica its even part; the parts of all add up to `tokens`.
std::int64_t even_part(std::int64_t tokens, std::size_t k, std::size_t replicas) {
  const auto count = static_cast<std::int64_t>(replicas);
  return tokens / count + (static_cast<std::int64_t>(k) < tokens % count ? 1 : 0);
}

}  // namespace

TraceJob ServiceLoad::replica_job() const {
  const auto& rule = builder_.options().service;
  const auto gang = builder_.gang(rule.accelerators_per_replica);
  TraceJob job;
  job.demand = gang.demand;
  job.tasks = gang.tasks;
  job.one_domain = gang.tasks > 1;
  job.utilisation_milli = static_cast<std::int32_t>(std::lround(rule.utilisation * 1000));
  job.profile = WorkProfile::kDecode;
  job.kind = TraceJobKind::kService;
  if (builder_.room().reference < 64) job.kinds = std::uint64_t{1} << builder_.room().reference;
  job.priority_class = builder_.class_high();
  job.preemptible = builder_.class_preemptible(job.priority_class);
  return job;
}

// One rack that fails takes one replica. Where replicas outnumber racks those beyond would never start.
void ServiceLoad::keep_apart(TraceJob& job, std::int64_t replicas_most) {
  const SiteConfig& site = builder_.site();
  if (site.cluster.racks.empty() || job.tasks > 1) return;
  const std::int64_t racks = failure_groups(site, job.kinds, scheduler::Spread::kRack, Among::kReplicas);
  auto& notes = builder_.facts().notes;
  if (replicas_most > racks) {
    notes.push_back(
        fmt::format("up to {} replicas on {} racks: they are not kept apart", replicas_most, racks));
    return;
  }
  job.spread = scheduler::Spread::kRack;
  WorkNeeds needs;
  needs.siblings = "endpoint";
  job.needs = builder_.needs_of(needs).value_or(0);
  notes.push_back(fmt::format("no two of its replicas, {} at most, stand in one rack", replicas_most));
}

Result<void> ServiceLoad::finish() {
  const auto& rule = builder_.options().service;
  if (builder_.room().node == nullptr) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{}: an inference trace needs a site with accelerators", builder_.file()));
  }
  const Rates rates = this->rates();
  auto wanted = replicas_wanted(rates);
  wanted.push_back(0);
  TraceJob job = replica_job();
  job.account = builder_.deal_account();  // one endpoint
  keep_apart(job, std::ranges::max(wanted));
  std::vector<Replica> replicas;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    while (std::cmp_less(replicas.size(), wanted[i])) replicas.push_back({.since = i});
    while (std::cmp_greater(replicas.size(), wanted[i])) {
      const Replica& last = replicas.back();
      job.arrival = TraceTime(rule.interval) * static_cast<std::int64_t>(last.since);
      job.work = TraceTime(rule.interval) * static_cast<std::int64_t>(i - last.since);
      job.input_tokens = last.input_tokens;
      job.output_tokens = last.output_tokens;
      replicas.pop_back();
      TRY_VOID(builder_.add(job, 0));
    }
    for (std::size_t k = 0; i < intervals_.size() && k < replicas.size(); ++k) {
      const auto scaled = [&](std::int64_t tokens) { return tokens * rule.requests_scale_milli / 1000; };
      replicas[k].input_tokens += even_part(scaled(intervals_[i].input_tokens), k, replicas.size());
      replicas[k].output_tokens += even_part(scaled(intervals_[i].output_tokens), k, replicas.size());
    }
  }
  auto& facts = builder_.facts();
  facts.requests = requests_;
  facts.notes.push_back(fmt::format(
      "replicas of {} accelerators: in each {} s as many as ceil((prompt tokens / {:.6g} + output "
      "tokens / {:.6g}) / ({} s x {})), kept {} s longer",
      rule.accelerators_per_replica, rule.interval.count(), rates.prefill_tokens_per_s,
      rates.decode_tokens_per_s, rule.interval.count(), rule.utilisation, rule.linger.count()));
  const std::string& kind = builder_.site().cluster.kinds[builder_.room().reference].kind;
  if (!rates.known) {
    facts.notes.push_back(
        fmt::format("nothing is known of how fast {} serves: its rates are those of {}", kind, kMeasuredOn));
  } else if (kind != kMeasuredOn) {
    facts.notes.push_back(fmt::format(
        "they stand on {}, whose rates are those measured on {} times what the roofline says of both", kind,
        kMeasuredOn));
  }
  builder_.set_service(std::move(intervals_));
  return {};
}

Result<void> read_azure_llm(std::string_view text, TraceBuilder& builder) {
  CsvReader csv(text, builder.file(), ',', true);
  const auto time = csv.column("TIMESTAMP"), input = csv.column("ContextTokens"),
             output = csv.column("GeneratedTokens");
  ServiceLoad load(builder);
  std::optional<TimePoint> first;
  while (csv.next()) {
    const auto at = parse_time_field(std::string(csv.text(time)) + "Z");
    if (!at) {
      csv.fail(time, "want a time as 2023-11-16 18:15:46.6805900");
      break;
    }
    if (!first) first = *at;
    if (*at < *first) csv.fail(time, "is before the first request");
    const auto prompt = csv.integer(input, 0, kTokensMax), answer = csv.integer(output, 0, kTokensMax);
    if (!csv.failed()) TRY_VOID(load.request(*at - *first, prompt, answer, csv.line()));
  }
  TRY_VOID(csv.finish());
  return load.finish();
}

Result<void> read_mooncake(std::string_view text, TraceBuilder& builder) {
  constexpr std::size_t kLineMax = 1u << 20;
  constexpr std::int64_t kMillisecondsMax = 10'000'000'000'000;
  ServiceLoad load(builder);
  std::int64_t line = 0;
  text = without_bom(text);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto row = text.substr(at, end - at);
    at = end + 1;
    ++line;
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto fault = [&](const Error& error) {
      return failure(error.code, fmt::format("{}:{}: {}", builder.file(), line, error.message));
    };
    const auto value = host::parse_json(row, {.max_depth = 4, .max_bytes = kLineMax});
    if (!value) return fault(value.error());
    const auto object = host::JsonObject::of(*value);
    if (!object) return fault(object.error());
    const auto number = [&](std::string_view key, std::int64_t most) -> Result<std::int64_t> {
      const auto found = TRY(object->required_int(key));
      if (found >= 0 && found <= most) return found;
      return failure(ErrorCode::kInvalidArgument, fmt::format("{}: {} is not in 0 to {}", key, found, most));
    };
    const auto time = number("timestamp", kMillisecondsMax);
    const auto input = number("input_length", kTokensMax), output = number("output_length", kTokensMax);
    for (const auto* each : {&time, &input, &output}) {
      if (!*each) return fault(each->error());
    }
    TRY_VOID(load.request(std::chrono::milliseconds(*time), *input, *output, line));
  }
  builder.facts().notes.push_back("prompts count in full: what replicas have cached is not taken off");
  return load.finish();
}

}  // namespace millrace::twin
