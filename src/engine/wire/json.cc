#include "engine/wire/json.h"

#include <fmt/format.h>

namespace millrace::engine::wire {
namespace json = boost::json;

std::optional<std::int64_t> find_count(const json::object& in, std::string_view key) {
  constexpr std::int64_t kMax = std::int64_t{1} << 53;
  const json::value* value = in.if_contains({key.data(), key.size()});
  if (value == nullptr) return std::nullopt;
  std::int64_t count = -1;
  if (const std::int64_t* number = value->if_int64()) count = *number;
  if (const double* number = value->if_double();
      number != nullptr && *number >= 0 && *number <= double(kMax)) {
    count = static_cast<std::int64_t>(*number);
  }
  if (count < 0 || count > kMax) return std::nullopt;
  return count;
}

Result<json::value> parse_value(std::string_view text, json::storage_ptr storage) {
  json::parse_options options;
  options.max_depth = 64;
  boost::system::error_code problem;
  json::value value = json::parse({text.data(), text.size()}, problem, std::move(storage), options);
  if (problem)
    return failure(ErrorCode::kCorrupt, fmt::format("the engine sent broken JSON: {}", problem.message()));
  return value;
}

Result<json::value> parse_object(std::string_view text, json::storage_ptr storage) {
  json::value value = TRY(parse_value(text, std::move(storage)));
  if (!value.is_object()) return failure(ErrorCode::kCorrupt, "the engine sent JSON that is no object");
  return value;
}

}  // namespace millrace::engine::wire
