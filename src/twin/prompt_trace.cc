#include <fmt/format.h>

#include <algorithm>

#include "host/file.h"
#include "host/json.h"
#include "twin/csv.h"
#include "twin/routing.h"

namespace millrace::twin {
namespace {

Result<PromptArrival> read_line(std::string_view line) {
  const auto value = TRY(host::parse_json(line));
  const auto object = TRY(host::JsonObject::of(value));
  PromptArrival arrival{.time_ms = TRY(object.required_int("timestamp")), .blocks = {}};
  const auto* ids = TRY(object.required_array("hash_ids"));
  arrival.blocks.reserve(ids->size());
  for (const auto& id : *ids) {
    boost::json::error_code error;
    arrival.blocks.push_back(id.to_number<routing::BlockHash>(error));
    if (error) return failure(ErrorCode::kInvalidArgument, "hash_ids: want integers from 0 on");
  }
  return arrival;
}

}  // namespace

Result<std::vector<PromptArrival>> read_prompt_trace(const std::string& path) {
  constexpr std::size_t kBytesMax = std::size_t{4} << 30;
  const std::string text = TRY(host::read_file(path, kBytesMax));
  std::vector<PromptArrival> trace;
  std::int64_t number = 0;
  for (std::string_view rest = without_bom(text); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto arrival = read_line(line);
    if (!arrival)
      return failure(arrival.error().code, fmt::format("{}:{}: {}", path, number, arrival.error().message));
    const std::int64_t last_ms = trace.empty() ? 0 : trace.back().time_ms;
    if (arrival->time_ms < last_ms) {
      return failure(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "{}:{}: timestamp: found {}, want at least {}: requests stand in the order of their time", path,
              number, arrival->time_ms, last_ms));
    }
    trace.push_back(std::move(*arrival));
  }
  return trace;
}

}  // namespace millrace::twin
