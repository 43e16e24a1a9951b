// Format "millrace": our own CSV of jobs, which `twin generate workload` writes and `twin run` reads.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

/// The first line, with its end, of a file whose jobs point into `needs`.
std::string millrace_header(std::span<const WorkNeeds> needs);

/// One line for a job; reading it on the same site gives the same job, but for its tokens.
void append_millrace_row(std::string& out, const TraceJob& job, const SiteConfig& site,
                         std::span<const WorkNeeds> needs);

}  // namespace millrace::twin
