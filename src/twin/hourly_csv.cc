#include "twin/hourly_csv.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "twin/csv.h"

namespace millrace::twin {

Result<energy::HourlySeries> read_hourly_csv(std::string_view text, const std::string& file,
                                             std::string_view zone) {
  constexpr double kValueMax = 1e6;
  CsvReader csv(text, file, ',', true);
  const auto value = csv.column(zone);
  std::optional<TimePoint> start;
  std::vector<std::int64_t> thousandths;
  while (csv.next()) {
    const auto time = csv.time(0);
    if (!start) start = time;
    if (time != *start + std::chrono::hours(thousandths.size())) {
      csv.fail(0, fmt::format("want every hour once and in order: {}",
                              to_rfc3339(*start + std::chrono::hours(thousandths.size()))));
    }
    thousandths.push_back(csv.scaled(value, 1e3, -kValueMax, kValueMax));
  }
  TRY_VOID(csv.finish());
  if (!start) return failure(ErrorCode::kInvalidArgument, fmt::format("{}:1: holds no hours", file));
  return energy::HourlySeries::create(*start, std::move(thousandths), energy::Outside::kWraps);
}

}  // namespace millrace::twin
