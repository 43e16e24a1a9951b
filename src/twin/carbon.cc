#include "twin/carbon.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/rng.h"
#include "energy/forecast.h"
#include "host/file.h"
#include "scheduler/shift.h"
#include "twin/hourly_csv.h"

namespace millrace::twin {
namespace {

constexpr std::int64_t kHoursMax = 744;
constexpr std::size_t kProviderHours = 24;

struct PolicyName {
  CarbonPolicy policy;
  std::string_view name;
  std::string_view forecaster;
};
constexpr std::array<PolicyName, 4> kPolicies = {{
    {CarbonPolicy::kNow, "now", "none"},
    {CarbonPolicy::kHistory, "history", energy::HistoryForecaster::kName},
    {CarbonPolicy::kForecast, "forecast", "a provider's next 24 hours, then "},
    {CarbonPolicy::kOracle, "oracle", "every coming hour is known"},
}};

std::string forecaster_of(const CarbonOptions& options) {
  std::string name(kPolicies[static_cast<std::size_t>(options.policy)].forecaster);
  if (options.policy == CarbonPolicy::kForecast) name += energy::HistoryForecaster::kName;
  if (options.policy == CarbonPolicy::kOracle && options.error_pct > 0.0) name += ", with the error";
  return name;
}

/// What each hour is told as, in thousandths: the true value, or one with an error.
std::vector<double> told(std::span<const std::int64_t> values, std::size_t hours, double error_pct,
                         std::uint64_t seed) {
  SeededRng rng(seed);
  std::vector<double> result(hours);
  for (std::size_t hour = 0; hour < hours; ++hour) {
    double normal = -6.0;
    for (int i = 0; i < 12; ++i) normal += static_cast<double>(rng.next() >> 11) * 0x1p-53;
    result[hour] =
        static_cast<double>(values[hour % values.size()]) * std::max(0.0, 1.0 + error_pct / 100.0 * normal);
  }
  return result;
}

std::int32_t hour_of_week(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const auto weekday = std::chrono::weekday(day).iso_encoding() - 1;
  return static_cast<std::int32_t>(weekday * 24 +
                                   std::chrono::duration_cast<std::chrono::hours>(time - day).count());
}

/// What a policy expects at each hour in turn.
class Outlooks {
 public:
  Outlooks(const energy::HourlySeries& series, const CarbonOptions& options, std::size_t hours)
      : policy_(options.policy),
        values_(series.values()),
        told_(told(values_, hours, options.error_pct, options.seed)),
        reach_(
            static_cast<std::size_t>(std::max<std::int64_t>(options.job_hours + options.slack_hours - 1, 1))),
        coming_(reach_),
        history_(hour_of_week(series.start()), static_cast<std::int32_t>(reach_)),
        errors_(static_cast<std::int32_t>(reach_)) {}

  /// Precondition: called for 0, 1, 2, ... Holds until the next call.
  scheduler::Outlook at(std::size_t hour) {
    if (policy_ == CarbonPolicy::kOracle) return oracle(hour);
    const bool observes_exactly = policy_ == CarbonPolicy::kForecast;
    const double now = observes_exactly ? truth(hour) : told_[hour];
    history_.observe(now);
    errors_.observe(now);
    const auto given = policy_ == CarbonPolicy::kForecast ? std::min(kProviderHours, reach_) : 0;
    std::copy_n(told_.begin() + static_cast<std::ptrdiff_t>(hour + 1), given, coming_.begin());
    const std::span<double> coming(coming_);
    history_.forecast(coming.first(given), coming.subspan(given));
    errors_.issued(coming);
    return {.now = now, .coming = coming_, .error = errors_.mean()};
  }

 private:
  double truth(std::size_t hour) const { return static_cast<double>(values_[hour % values_.size()]); }

  scheduler::Outlook oracle(std::size_t hour) const {
    return {.now = truth(hour), .coming = std::span(told_).subspan(hour + 1, reach_), .error = {}};
  }

  CarbonPolicy policy_;
  std::span<const std::int64_t> values_;
  std::vector<double> told_;
  std::size_t reach_;
  std::vector<double> coming_;
  energy::HistoryForecaster history_;
  energy::ForecastErrors errors_;
};

/// One job at each hour of the series; each hour's decisions are worked out once for all jobs in flight.
class Year {
 public:
  Year(const energy::HourlySeries& series, const CarbonOptions& options)
      : values_(series.values()),
        interruptible_(options.interruptible),
        job_h_(options.job_hours),
        total_h_(options.job_hours + options.slack_hours),
        left_(values_.size(), options.job_hours) {}

  std::int64_t hours() const { return static_cast<std::int64_t>(values_.size()) + total_h_ - 1; }

  void step(std::int64_t hour, const scheduler::Outlook& outlook) {
    const auto value = values_[static_cast<std::size_t>(hour) % values_.size()];
    const auto job_h = static_cast<std::int32_t>(job_h_);
    if (interruptible_) {
      const auto least = scheduler::least_work_that_runs(outlook, job_h);
      each_job(hour, [&](std::int64_t& work, std::int64_t left) {
        if (work > 0 && (work >= left || work >= least[left])) run(work, value);
      });
    } else {
      const auto starts = scheduler::starts_now(outlook, job_h);
      each_job(hour, [&](std::int64_t& work, std::int64_t left) {
        const bool started = work < job_h_;
        if (work > 0 && (started || starts[left - job_h_])) run(work, value);
      });
    }
  }

  __int128 emitted() const { return emitted_; }

 private:
  template <typename Act>
  void each_job(std::int64_t hour, const Act& act) {
    const auto last = std::min(hour, static_cast<std::int64_t>(left_.size()) - 1);
    for (auto arrival = std::max<std::int64_t>(0, hour - total_h_ + 1); arrival <= last; ++arrival) {
      act(left_[arrival], arrival + total_h_ - hour);
    }
  }
  void run(std::int64_t& work, std::int64_t value) {
    --work;
    emitted_ += value;
  }

  std::span<const std::int64_t> values_;
  bool interruptible_;
  std::int64_t job_h_, total_h_;
  std::vector<std::int64_t> left_;  // hours of work left, by hour of arrival
  __int128 emitted_ = 0;            // thousandths x hours
};

__int128 emitted_by(const energy::HourlySeries& series, const CarbonOptions& options,
                    const Progress& progress) {
  Year year(series, options);
  Outlooks outlooks(series, options,
                    static_cast<std::size_t>(year.hours() + options.job_hours + options.slack_hours));
  for (std::int64_t hour = 0; hour < year.hours(); ++hour) {
    if (progress && hour % 168 == 0) {
      progress(static_cast<double>(hour) / static_cast<double>(year.hours()), name_of(options.policy));
    }
    year.step(hour, outlooks.at(static_cast<std::size_t>(hour)));
  }
  return year.emitted();
}

Result<void> check(const energy::HourlySeries& series, const CarbonOptions& options) {
  const auto in = [](std::int64_t value, std::int64_t least, const char* what) -> Result<void> {
    if (value >= least && value <= kHoursMax) return {};
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{} of {} hours: want {} to {}", what, value, least, kHoursMax));
  };
  TRY_VOID(in(options.job_hours, 1, "a job"));
  TRY_VOID(in(options.slack_hours, 0, "a slack"));
  if (!(options.error_pct >= 0.0 && options.error_pct <= 100.0)) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("a forecast error of {} %: want 0 to 100", options.error_pct));
  }
  const auto hours = static_cast<std::int64_t>(series.values().size());
  if (options.job_hours + options.slack_hours > hours) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("a job with its slack is longer than the series of {} hours", hours));
  }
  return {};
}

}  // namespace

std::string_view name_of(CarbonPolicy policy) { return kPolicies[static_cast<std::size_t>(policy)].name; }

Result<CarbonPolicy> parse_carbon_policy(std::string_view name) {
  const auto found = std::ranges::find(kPolicies, name, &PolicyName::name);
  if (found != kPolicies.end()) return found->policy;
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("there is no policy '{}': want now, history, forecast or oracle", name));
}

Result<CarbonResult> shift_year(const energy::HourlySeries& series, const CarbonOptions& options,
                                const Progress& progress) {
  TRY_VOID(check(series, options));
  const auto values = series.values();
  // Each hour is one of the first job_hours of a job as often as any other.
  const auto sum = std::accumulate(values.begin(), values.end(), std::int64_t{0});
  if (sum <= 0) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("the mean of zone '{}' is not positive: there is nothing to save", options.zone));
  }
  const auto at_once = static_cast<__int128>(sum) * options.job_hours;
  const auto saving = [at_once](__int128 emitted) {
    return static_cast<double>(at_once - emitted) / static_cast<double>(at_once);
  };
  auto oracle = options;
  oracle.policy = CarbonPolicy::kOracle;
  oracle.error_pct = 0.0;
  const double best = saving(emitted_by(series, oracle, {}));
  double saved = best;
  if (options.policy == CarbonPolicy::kNow) {
    saved = 0.0;
  } else if (options.policy != CarbonPolicy::kOracle || options.error_pct > 0.0) {
    saved = saving(emitted_by(series, options, progress));
  }
  return CarbonResult{.options = options,
                      .jobs = static_cast<std::int64_t>(values.size()),
                      .saving_pct = 100.0 * saved,
                      .oracle_saving_pct = 100.0 * best,
                      .share_of_oracle = best > 0.0 ? std::optional(saved / best) : std::nullopt,
                      .forecaster = forecaster_of(options)};
}

Result<CarbonResult> run_carbon(const CarbonOptions& options, const Progress& progress) {
  const auto text = TRY(host::read_file(options.intensity));
  const auto series = TRY(read_hourly_csv(text, options.intensity, options.zone));
  return shift_year(series, options, progress);
}

boost::json::object to_json(const CarbonResult& result) {
  const auto& options = result.options;
  boost::json::object object;
  object["zone"] = options.zone;
  object["policy"] = name_of(options.policy);
  object["forecaster"] = result.forecaster;
  object["job_hours"] = options.job_hours;
  object["slack_hours"] = options.slack_hours;
  object["interruptible"] = options.interruptible;
  object["error_pct"] = options.error_pct;
  object["seed"] = options.seed;
  object["jobs"] = result.jobs;
  object["saving_pct"] = result.saving_pct;
  object["oracle_saving_pct"] = result.oracle_saving_pct;
  object["share_of_oracle"] =
      result.share_of_oracle ? boost::json::value(*result.share_of_oracle) : boost::json::value(nullptr);
  return object;
}

}  // namespace millrace::twin
