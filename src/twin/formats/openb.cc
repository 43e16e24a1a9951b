#include <fmt/format.h>

#include "twin/csv.h"
#include "twin/formats/builder.h"

namespace millrace::twin {
namespace {

constexpr std::int64_t kSecondsMax = 10'000'000'000;  // 300 years

struct Columns {
  explicit Columns(CsvReader& csv)
      : cpu(csv.column("cpu_milli")),
        memory(csv.column("memory_mib")),
        count(csv.column("num_gpu")),
        milli(csv.column("gpu_milli")),
        spec(csv.column("gpu_spec")),
        qos(csv.column("qos")),
        created(csv.column("creation_time")),
        deleted(csv.column("deletion_time")),
        scheduled(csv.column("scheduled_time")) {}
  CsvColumn cpu, memory, count, milli, spec, qos, created, deleted, scheduled;
};

std::uint16_t class_of(const TraceBuilder& builder, std::string_view qos) {
  if (qos == "LS" || qos == "Guaranteed") return builder.class_high();
  if (qos == "BE") return builder.class_low();
  return builder.class_default();
}

TraceJob read_pod(CsvReader& csv, const Columns& columns, TraceBuilder& builder) {
  TraceJob job;
  const auto created = csv.integer(columns.created, 0, kSecondsMax);
  const auto scheduled = csv.integer(columns.scheduled, 0, kSecondsMax);
  const auto deleted = csv.integer(columns.deleted, 0, kSecondsMax);
  if (deleted < scheduled) csv.fail(columns.deleted, "is before scheduled_time");
  job.arrival = std::chrono::seconds(created);
  job.work = std::chrono::seconds(std::max<std::int64_t>(1, deleted - scheduled));
  auto& demand = job.demand;
  demand.cpu_milli = csv.integer(columns.cpu, 0, 1'000'000'000);
  demand.memory_mib = csv.integer(columns.memory, 0, 1'000'000'000);
  demand.accelerators = static_cast<std::int32_t>(csv.integer(columns.count, 0, scheduler::kDevicesMax));
  const auto milli = static_cast<std::int32_t>(csv.integer(columns.milli, 0, 1000));
  if (demand.accelerators == 1 && milli == 0)
    csv.fail(columns.milli, "is 0, though the pod asks for an accelerator");
  if (demand.accelerators == 1) demand.accelerator_milli = milli;
  if (demand.accelerators == 0) job.profile = WorkProfile::kCpu;
  job.priority_class = class_of(builder, csv.text(columns.qos));
  job.preemptible = builder.class_preemptible(job.priority_class);
  if (!csv.failed() && demand.accelerators > 0) job.kinds = builder.kinds_of(csv.text(columns.spec));
  job.account = builder.deal_account();
  return job;
}

}  // namespace

Result<void> read_openb(std::string_view text, TraceBuilder& builder) {
  CsvReader csv(text, builder.file(), ',', true);
  const Columns columns(csv);
  while (csv.next()) {
    if (csv.text(columns.scheduled).empty()) {
      ++builder.facts().skipped;
      continue;
    }
    const auto job = read_pod(csv, columns, builder);
    if (!csv.failed()) TRY_VOID(builder.add(job, csv.line()));
  }
  TRY_VOID(csv.finish());
  auto& facts = builder.facts();
  facts.notes.push_back(
      "work = deletion_time - scheduled_time; LS and Guaranteed go into the highest class, BE into the "
      "lowest");
  if (facts.skipped > 0)
    facts.notes.push_back(
        fmt::format("{} pods were never scheduled: how long they run is not known", facts.skipped));
  return {};
}

}  // namespace millrace::twin
