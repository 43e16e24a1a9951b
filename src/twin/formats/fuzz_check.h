// What must hold of any text that a fuzzer gives to a reader of traces.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

/// The text is refused with the file's name first, or its jobs point into the site, in order, with sums that do not overflow.
inline void check_reader(const unsigned char* data, std::size_t size, std::string_view format) {
  static const SiteConfig site = *parse_site(
      "[[site]]\nname = 's'\nzone = 'FR'\n[[node_type]]\nname = 't'\nkind = 'nvidia-a100-sxm'\naccelerators "
      "= 8\ncpu_cores = 64\n"
      "memory_gib = 512\nidle_w = 1500\ncpu_max_w = 700\n[[nodes]]\ncount = 4\n[[tenant]]\nname = "
      "'a'\n[[tenant]]\nname = 'b'\n",
      "s", ".");
  const auto trace =
      parse_trace({reinterpret_cast<const char*>(data), size}, "file", format, site, {.max_jobs = 10'000});
  if (!trace) {
    if (!trace.error().message.starts_with("file:")) std::abort();
    return;
  }
  if (trace->jobs.empty() || trace->jobs.size() > 10'000) std::abort();
  if (!std::ranges::is_sorted(trace->jobs, {}, &TraceJob::arrival)) std::abort();
  for (const auto& job : trace->jobs) {
    const bool sound =
        job.arrival >= TraceTime(0) && job.work >= TraceTime(0) && job.deadline >= job.arrival &&
        job.tasks >= 1 && job.account < site.accounts.size() &&
        job.priority_class < site.priority_classes.size() && job.kinds != 0 &&
        job.needs < trace->needs.size() && job.input_tokens >= 0 && job.output_tokens >= 0 &&
        (job.reference_kind == TraceJob::kAnyKind || job.reference_kind < site.cluster.kinds.size()) &&
        job.demand.accelerators >= 0 && job.demand.accelerators <= scheduler::kDevicesMax &&
        job.arrival.count() < TraceTime::max().count() / 2 && job.work.count() < TraceTime::max().count() / 2;
    if (!sound) std::abort();
  }
}

}  // namespace millrace::twin
