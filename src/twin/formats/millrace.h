// Format "millrace": our own CSV of jobs, which `twin generate workload` writes and `twin run` reads.
#pragma once

#include <string>
#include <string_view>

#include "twin/site_config.h"
#include "twin/trace.h"

namespace millrace::twin {

/// The first line, with its end.
std::string_view millrace_header();

/// One line for a job; reading it on the same site gives the same job.
void append_millrace_row(std::string& out, const TraceJob& job, const SiteConfig& site);

}  // namespace millrace::twin
