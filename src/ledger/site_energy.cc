#include "ledger/site_energy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "host/boot.h"
#include "host/file.h"
#include "host/json.h"
#include "ledger/usage_json.h"

namespace millrace::ledger {
namespace {

constexpr std::string_view kLastKey = "energy_last";
constexpr std::string_view kPrefix = "energy/";
constexpr std::chrono::hours kLongestGap{24};

std::string key_of(TimePoint from) { return std::string(kPrefix) + to_rfc3339(from); }

std::string encode(const NodeReading& reading) {
  host::JsonWriter out;
  out.begin_object().field("at", to_rfc3339(reading.at)).field("busy_cpu_ns", reading.busy_cpu_ns);
  out.field("counter_uj", reading.counter_uj).field("boot_id", reading.boot_id);
  if (reading.steady) out.field("steady_ns", reading.steady->time_since_epoch().count());
  out.end_object();
  return out.take();
}

std::string encode(const EnergyInterval& interval) {
  host::JsonWriter out;
  out.begin_object().field("to", to_rfc3339(interval.to)).field("site_uj", interval.site_uj);
  out.field("basis", interval.basis).field("energy_model", interval.energy_model).end_object();
  return out.take();
}

Result<NodeReading> decode_reading(std::string_view text) {
  const auto value = TRY(host::parse_json(text));
  const auto object = TRY(host::JsonObject::of(value, std::string(kLastKey)));
  NodeReading reading;
  const std::string at = TRY(object.required_string("at"));
  reading.at = TRY(parse_rfc3339(at));
  reading.busy_cpu_ns = TRY(object.required_int("busy_cpu_ns"));
  reading.counter_uj = TRY(object.optional_int("counter_uj"));
  reading.boot_id = TRY(object.required_string("boot_id"));
  if (const auto ns = TRY(object.optional_int("steady_ns")))
    reading.steady = MonotonicPoint(std::chrono::nanoseconds(*ns));
  return reading;
}

Result<EnergyInterval> decode_interval(const store::Record& record) {
  const auto value = TRY(host::parse_json(record.value));
  const auto object = TRY(host::JsonObject::of(value, record.key));
  EnergyInterval interval;
  interval.from = TRY(parse_rfc3339(std::string_view(record.key).substr(kPrefix.size())));
  const std::string to = TRY(object.required_string("to"));
  interval.to = TRY(parse_rfc3339(to));
  interval.site_uj = TRY(object.required_int("site_uj"));
  interval.basis = TRY(object.required_string("basis"));
  interval.energy_model = TRY(object.required_string("energy_model"));
  return interval;
}

EnergyInterval interval_between(const NodeReading& before, const NodeReading& now,
                                const energy::LinearPowerModel& model) {
  EnergyInterval interval{before.at, now.at, 0, "modelled", energy::kLinearPowerModelName};
  if (before.counter_uj && now.counter_uj && *now.counter_uj >= *before.counter_uj) {
    interval.site_uj = energy::measured_energy_uj(*now.counter_uj - *before.counter_uj, model.pue);
    interval.basis = "measured";
    interval.energy_model.clear();
  } else {
    const auto wall_ns = std::chrono::nanoseconds(now.at - before.at).count();
    interval.site_uj = energy::node_energy_uj(model, wall_ns, now.busy_cpu_ns - before.busy_cpu_ns);
  }
  return interval;
}

/// Whether the wall clock did not go on as the steady one did, but for what a time server slews (at most 500 ppm).
bool was_clock_set(const NodeReading& before, const NodeReading& now) {
  if (now.at <= before.at) return true;
  if (!before.steady || !now.steady) return false;
  const auto steady = *now.steady - *before.steady;
  const auto apart = std::chrono::abs(std::chrono::nanoseconds(now.at - before.at) - steady);
  return apart > std::chrono::seconds(1) + steady / 1000;
}

/// Energy of a record that falls before `until`.
std::int64_t energy_until(const store::UsageRecord& record, TimePoint until) {
  const std::int64_t duration = std::max<std::int64_t>((record.ended_at - record.started_at).count(), 1);
  const std::int64_t elapsed = std::clamp<std::int64_t>((until - record.started_at).count(), 0, duration);
  const auto part = static_cast<__int128>(*record.energy_uj) * elapsed / duration;
  return static_cast<std::int64_t>(part);
}

}  // namespace

Result<std::int64_t> busy_cpu_ns_of(std::string_view proc_stat, std::int64_t ticks_per_s) {
  const auto bad = [] {
    return failure(ErrorCode::kCorrupt, "read /proc/stat: its first line is not 'cpu ...'");
  };
  std::string_view line = proc_stat.substr(0, proc_stat.find('\n'));
  if (!line.starts_with("cpu ") || ticks_per_s <= 0) return bad();
  line.remove_prefix(4);
  // proc(5): user nice system idle iowait irq softirq steal; guest time is inside user already.
  std::int64_t busy = 0;
  for (int field = 0; field < 8; ++field) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    std::int64_t ticks = 0;
    const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), ticks);
    if (failed != std::errc{} || ticks < 0) return bad();
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (field != 3 && field != 4) busy += ticks;
  }
  return static_cast<std::int64_t>(static_cast<__int128>(busy) * 1'000'000'000 / ticks_per_s);
}

Result<NodeReading> read_node(const Clock& clock) {
  NodeReading reading;
  const std::string stat = TRY(host::read_file("/proc/stat", 4u << 20));
  reading.at = clock.now();
  reading.steady = clock.monotonic();
  reading.busy_cpu_ns = TRY(busy_cpu_ns_of(stat, ::sysconf(_SC_CLK_TCK)));
  reading.boot_id = TRY(host::boot_id());
  return reading;
}

std::vector<AttributedInterval> attribute(std::span<const EnergyInterval> intervals,
                                          std::span<const store::UsageRecord> records) {
  std::vector<AttributedInterval> result;
  result.reserve(intervals.size());
  for (const auto& interval : intervals) result.push_back({interval, 0, 0});
  for (const auto& record : records) {
    if (!record.energy_uj) continue;
    const TimePoint end = std::max(record.ended_at, record.started_at + std::chrono::microseconds(1));
    auto at = std::ranges::upper_bound(result, record.started_at, {},
                                       [](const AttributedInterval& each) { return each.interval.to; });
    for (; at != result.end() && at->interval.from < end; ++at) {
      at->attributed_uj += energy_until(record, at->interval.to) - energy_until(record, at->interval.from);
    }
  }
  for (auto& each : result) each.idle_uj = each.interval.site_uj - each.attributed_uj;
  return result;
}

Result<std::optional<NodeReading>> SiteEnergy::last_reading() const {
  const auto record = TRY(store_.find(kLastKey));
  return record ? std::optional{TRY(decode_reading(record->value))} : std::nullopt;
}

Result<std::optional<EnergyInterval>> SiteEnergy::sample(const NodeReading& reading,
                                                         const energy::LinearPowerModel& model) {
  const auto last = TRY(last_reading());
  std::optional<EnergyInterval> interval;
  if (last && last->boot_id == reading.boot_id && !was_clock_set(*last, reading) &&
      reading.at - last->at <= kLongestGap && reading.busy_cpu_ns >= last->busy_cpu_ns) {
    interval = interval_between(*last, reading, model);
  }
  store::Transaction change;
  change.put.push_back({std::string(kLastKey), encode(reading)});
  if (interval) change.put.push_back({key_of(interval->from), encode(*interval)});
  TRY_VOID(store_.commit(std::move(change)));
  return interval;
}

Result<std::vector<AttributedInterval>> SiteEnergy::query(TimePoint from, TimePoint to,
                                                          std::size_t limit) const {
  // Keys of equal length sort as times; the key just before `from` is the last one that is not wanted.
  const std::string after = key_of(from - std::chrono::microseconds(1));
  std::vector<EnergyInterval> intervals;
  for (const auto& record : TRY(store_.list(kPrefix, after, limit))) {
    auto interval = TRY(decode_interval(record));
    if (interval.from >= to) break;
    intervals.push_back(std::move(interval));
  }
  if (intervals.empty()) return std::vector<AttributedInterval>{};
  // One microsecond earlier, for requests that took no time at all.
  const auto records =
      TRY(usage_.overlapping(intervals.front().from - std::chrono::microseconds(1), intervals.back().to));
  return attribute(intervals, records);
}

void write_interval(host::JsonWriter& out, const AttributedInterval& each) {
  out.begin_object().field("from", to_rfc3339(each.interval.from)).field("to", to_rfc3339(each.interval.to));
  out.key("site_j").raw(decimal_of_millionths(each.interval.site_uj));
  out.key("attributed_j").raw(decimal_of_millionths(each.attributed_uj));
  out.key("idle_j").raw(decimal_of_millionths(each.idle_uj));
  out.field("basis", each.interval.basis).end_object();
}

}  // namespace millrace::ledger
