#include "twin/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "host/file.h"
#include "twin/formats/builder.h"

namespace millrace::twin {
namespace {

struct Format {
  std::string_view name;
  Result<void> (*read)(std::string_view, TraceBuilder&);
};
constexpr std::array kFormats = {
    Format{"openb", read_openb},         Format{"gavel", read_gavel},       Format{"gaia", read_gaia},
    Format{"azure-llm", read_azure_llm}, Format{"mooncake", read_mooncake}, Format{"millrace", read_millrace},
};

Result<const Format*> find_format(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &Format::name);
  if (found != kFormats.end()) return &*found;
  return failure(ErrorCode::kInvalidArgument, fmt::format("there is no trace format '{}': want {}", name,
                                                          fmt::join(trace_formats(), ", ")));
}

class PlayedTrace final : public JobSource {
 public:
  explicit PlayedTrace(Trace trace) : trace_(std::move(trace)) {}
  std::optional<TraceJob> next() override {
    if (at_ == trace_.jobs.size()) return std::nullopt;
    return trace_.jobs[at_++];
  }
  std::int64_t jobs_expected() const override { return static_cast<std::int64_t>(trace_.jobs.size()); }
  const TraceFacts& facts() const override { return trace_.facts; }
  const std::vector<WorkNeeds>& needs() const override { return trace_.needs; }

 private:
  const Trace trace_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string_view> trace_formats() {
  std::vector<std::string_view> names;
  for (const auto& format : kFormats) names.push_back(format.name);
  return names;
}

Result<Trace> parse_trace(std::string_view text, const std::string& file, std::string_view format,
                          const SiteConfig& site, const TraceOptions& options) {
  const auto* found = TRY(find_format(format));
  TraceBuilder builder(site, options, found->name, file);
  TRY_VOID(found->read(text, builder));
  return builder.finish();
}

Result<Trace> read_trace(const std::string& path, std::string_view format, const SiteConfig& site,
                         const TraceOptions& options) {
  TRY_VOID(find_format(format));
  const auto text = TRY(host::read_file(path, options.max_bytes));
  return parse_trace(text, path, format, site, options);
}

std::unique_ptr<JobSource> play(Trace trace) { return std::make_unique<PlayedTrace>(std::move(trace)); }

}  // namespace millrace::twin
