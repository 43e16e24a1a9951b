// Any text may be offered as a job file: it is refused with file and line, or what was understood reads back as the same.
#include <cstdint>
#include <cstdlib>

#include "platform/job_spec.h"

namespace platform = millrace::platform;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto spec = platform::parse_job(text, platform::JobFormat::kGuess, "job");
  if (!spec) {
    if (!spec.error().message.starts_with("job:")) std::abort();
    return 0;
  }
  const auto again = platform::parse_job(platform::to_json(*spec), platform::JobFormat::kJson, "job");
  if (!again || *again != *spec) std::abort();
  const auto work = platform::wanted_of(*spec, {.number = 7, .tenant = "t", .project = "p", .user = "u"});
  if (work.empty() || work.size() > platform::kArrayMax) std::abort();
  return 0;
}
