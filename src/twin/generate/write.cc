#include "host/output_file.h"
#include "twin/formats/millrace.h"
#include "twin/generator.h"
#include "twin/site_config.h"

namespace millrace::twin {
namespace {

constexpr std::size_t kPiece = 1u << 20;
constexpr std::int64_t kJobsBetweenProgress = 20'000;

}  // namespace

Result<std::int64_t> write_workload(const SiteConfig& site, std::uint64_t seed, TraceTime end,
                                    const std::string& path, const Progress& progress) {
  const auto source = TRY(generate_jobs(site, seed, end));
  auto file = TRY(host::OutputFile::create(path));
  std::string rows = millrace_header(source->needs());
  std::int64_t count = 0;
  while (const auto job = source->next()) {
    append_millrace_row(rows, *job, site, source->needs());
    if (rows.size() > kPiece) {
      TRY_VOID(file.write(rows));
      rows.clear();
    }
    if (++count % kJobsBetweenProgress != 0 || !progress) continue;
    const auto expected = source->jobs_expected();
    const double by_time =
        end == kNever ? 0 : static_cast<double>(job->arrival.count()) / static_cast<double>(end.count());
    progress(expected > 0 ? static_cast<double>(count) / static_cast<double>(expected) : by_time, "writing");
  }
  TRY_VOID(file.write(rows));
  TRY_VOID(file.commit());
  return count;
}

}  // namespace millrace::twin
