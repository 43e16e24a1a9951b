// The indices of an array of jobs, as text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "platform/job_spec.h"

namespace millrace::platform {
namespace {

constexpr std::uint32_t kIndexMax = (1U << control::kArrayBits) - 1;

struct Range {
  std::uint32_t first = 0, last = 0, step = 1;
};

/// Takes a number of 0 to kIndexMax from the front.
bool take(std::string_view& text, std::uint32_t& number) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || number > kIndexMax) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

/// "3", "0-99" or "0-99:2".
bool read_range(std::string_view text, Range& range) {
  if (!take(text, range.first)) return false;
  range.last = range.first;
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (!take(text, range.last) || range.last < range.first) return false;
    if (text.starts_with(':')) {
      text.remove_prefix(1);
      if (!take(text, range.step) || range.step == 0) return false;
    }
  }
  return text.empty();
}

}  // namespace

Result<std::vector<std::uint32_t>> parse_array(std::string_view text) {
  std::vector<std::uint32_t> indices;
  std::string_view rest = text;
  while (true) {
    const auto comma = rest.find(',');
    Range range;
    if (!read_range(rest.substr(0, comma), range)) {
      return failure(
          ErrorCode::kInvalidArgument,
          fmt::format("'{}' is no list of indices: want one such as 0-99, 1,3,5 or 0-99:2, up to {}",
                      text.substr(0, 40), kIndexMax));
    }
    // Also where indices repeat: what a short text makes stays bounded.
    if (indices.size() + (range.last - range.first) / range.step + 1 > kArrayMax) {
      return failure(ErrorCode::kInvalidArgument, fmt::format("has more than {} elements", kArrayMax));
    }
    for (std::uint64_t index = range.first; index <= range.last; index += range.step)
      indices.push_back(static_cast<std::uint32_t>(index));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  std::ranges::sort(indices);
  indices.erase(std::ranges::unique(indices).begin(), indices.end());
  return indices;
}

std::string format_array(const std::vector<std::uint32_t>& indices) {
  std::string text;
  for (std::size_t at = 0; at < indices.size();) {
    // As many as go on in steps of one size; two alone are no range.
    std::size_t end = at + 1;
    const std::uint32_t step = end < indices.size() ? indices[end] - indices[at] : 1;
    while (end < indices.size() && indices[end] - indices[end - 1] == step) ++end;
    if (end - at < 3) end = at + 1;
    if (!text.empty()) text += ',';
    text += fmt::format("{}", indices[at]);
    if (end - at > 1) text += fmt::format("-{}", indices[end - 1]);
    if (end - at > 1 && step > 1) text += fmt::format(":{}", step);
    at = end;
  }
  return text;
}

}  // namespace millrace::platform
