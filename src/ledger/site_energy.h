// SiteEnergy: what the whole site drew in each interval, and how much of it requests account for (invariant I2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "energy/power_model.h"
#include "host/json_writer.h"
#include "store/store.h"
#include "store/usage_table.h"

namespace millrace::ledger {

/// A node's counters at one moment; they start at 0 when the machine boots.
struct NodeReading {
  TimePoint at{};
  std::optional<MonotonicPoint> steady;    // the same on the steady clock, where it is known
  std::int64_t busy_cpu_ns = 0;            // of all cores
  std::optional<std::int64_t> counter_uj;  // an energy counter, where there is one
  std::string boot_id;                     // another one: the counters started anew
};

/// Busy CPU time from the text of /proc/stat (first line; user, nice, system, irq, softirq, steal, in ticks of
/// 1/`ticks_per_s` s). kCorrupt if it is not such a text.
Result<std::int64_t> busy_cpu_ns_of(std::string_view proc_stat, std::int64_t ticks_per_s);

/// Reads /proc/stat and the boot id. The caller adds `counter_uj`.
Result<NodeReading> read_node(const Clock& clock);

struct EnergyInterval {
  TimePoint from{}, to{};
  std::int64_t site_uj = 0;
  std::string basis;         // "measured" or "modelled"
  std::string energy_model;  // empty when measured
  bool operator==(const EnergyInterval&) const = default;
};

struct AttributedInterval {
  EnergyInterval interval;
  std::int64_t attributed_uj = 0;
  /// site - attributed, exactly. It can fall below the idle draw for an interval, because a request's energy is spread
  /// evenly over its duration; over a request's whole life that evens out.
  std::int64_t idle_uj = 0;
};

/// How much of each interval's energy the records account for: each record's energy spread evenly over
/// [started_at, ended_at), at least 1 us, by differences of floor(energy x elapsed / duration), so that adjoining
/// intervals add up to the record's energy to the microjoule. `intervals` in order, not overlapping. Records without
/// energy count for nothing.
std::vector<AttributedInterval> attribute(std::span<const EnergyInterval> intervals,
                                          std::span<const store::UsageRecord> records);

/// Records "energy/<from>", one an interval, and "energy_last", the last reading. One thread at a time.
class SiteEnergy {
 public:
  SiteEnergy(store::Store& store, const store::UsageTable& usage) : store_(store), usage_(usage) {}

  /// Appends the interval since the last reading (also one made by an earlier server process, at most a day ago and
  /// since the same boot: what ran while no server did is accounted for). nullopt for a first reading and where the
  /// clock was set. Modelled where a reading or the one before lacks the counter or the counter went back.
  Result<std::optional<EnergyInterval>> sample(const NodeReading& reading,
                                               const energy::LinearPowerModel& model);

  /// Intervals that began in [from, to), at most `limit`, attributed by the usage records that are there now.
  Result<std::vector<AttributedInterval>> query(TimePoint from, TimePoint to, std::size_t limit) const;

 private:
  Result<std::optional<NodeReading>> last_reading() const;

  store::Store& store_;
  const store::UsageTable& usage_;
};

/// {"from","to","site_j","attributed_j","idle_j","basis"}; joules with six decimals.
void write_interval(host::JsonWriter& out, const AttributedInterval& interval);

}  // namespace millrace::ledger
