// Decision text: what the decision log says, in words and units for a person.
#pragma once

#include <span>
#include <string>

#include "scheduler/decision.h"
#include "twin/sim/job_table.h"

namespace millrace::twin {

/// "160 kW", "0.75 kW".
void append_kilowatts(std::string& out, std::int64_t milliwatts);

/// "n013:0-7, n014:0-3+6": nodes by name, with the devices of each.
void append_places(std::string& out, const scheduler::Cluster& cluster,
                   std::span<const scheduler::TaskPlace> places);

/// "2026-01-06 03:00:20" (UTC).
std::string second_of(TimePoint time);

/// "power cap 68 %" (of the dynamic range of its accelerators), "no power cap".
std::string cap_text(std::int32_t cap_milli);

/// Reason::text(), with work called as the log calls it ("job-17").
std::string text_of(const scheduler::Reason& reason);

/// Why work starts that has waited for so long, as its last hold told why; and why it is capped, if it is.
std::string start_text(const Job& job, VirtualTime waited, const scheduler::Reason& reason);

}  // namespace millrace::twin
