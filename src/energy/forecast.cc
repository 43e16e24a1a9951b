#include "energy/forecast.h"

#include <algorithm>
#include <cmath>

namespace millrace::energy {
namespace {

constexpr std::int64_t kSaturday = 5;
/// Hours ahead beyond a week and a day have no regression: only the seasonal means are left there.
constexpr std::int32_t kRegressedMax = 192;
/// The first day has no origin with a whole day behind it; fits begin with the fourth.
constexpr std::int64_t kFirstOrigin = 23, kFirstFit = 72, kRefitEvery = 24;
/// Ridge penalty in squared scales: kPenalty + kPenaltyPerHour x hours ahead.
constexpr double kPenalty = 10.0, kPenaltyPerHour = 20.0;
/// Of that, for the weights of weekend and profile.
constexpr double kCalendarPenaltyShare = 0.05;
constexpr double kRegressionShare = 0.5;
/// Errors older than this many forecasts fade.
constexpr std::int32_t kErrorMemory = 336;

/// Solves (a + diagonal of penalty) x = targets, given in x, by Cholesky's method; the lower triangle of a stands row by
/// row. Positive definite with a positive penalty; with none and nothing learnt the answer is 0.
template <std::size_t n>
std::array<double, n> solve(std::array<double, n*(n + 1) / 2> a, std::array<double, n> x,
                            const std::array<double, n>& penalty) {
  const auto at = [&a](std::size_t row, std::size_t column) -> double& {
    return a[row * (row + 1) / 2 + column];
  };
  for (std::size_t i = 0; i < n; ++i) at(i, i) += penalty[i];
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = at(i, j);
      for (std::size_t k = 0; k < j; ++k) sum -= at(i, k) * at(j, k);
      if (i != j) {
        at(i, j) = sum / at(j, j);
      } else if (sum > 0.0) {
        at(i, i) = std::sqrt(sum);
      } else {
        return {};
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= at(i, k) * x[k];
    x[i] /= at(i, i);
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) x[i] -= at(k, i) * x[k];
    x[i] /= at(i, i);
  }
  return x;
}

}  // namespace

HistoryForecaster::HistoryForecaster(std::int32_t hour_of_week, std::int32_t horizon_h)
    : regressed_h_(static_cast<std::size_t>(std::min(horizon_h, kRegressedMax))),
      recent_(hour_of_week),
      origins_(regressed_h_ + 1),
      equations_(regressed_h_),
      coefficients_(regressed_h_) {}

double HistoryForecaster::base_of(const RecentHours::Origin& origin, std::int64_t ahead) {
  return origin.level + origin.profile[(origin.hour_of_week + ahead) % 24];
}

HistoryForecaster::Row HistoryForecaster::row_of(const RecentHours::Origin& origin, std::int64_t ahead) {
  const auto hour_of_week = (origin.hour_of_week + ahead) % 168;
  Row row{};
  std::ranges::copy(origin.features, row.begin());
  row[RecentHours::kShared] = hour_of_week / 24 == kSaturday ? origin.scale : 0.0;
  row[RecentHours::kShared + 1] = hour_of_week / 24 == kSaturday + 1 ? origin.scale : 0.0;
  row[RecentHours::kShared + 2] = origin.profile[hour_of_week % 24];
  return row;
}

void HistoryForecaster::learn(double value) {
  const auto now = recent_.hours() - 1;
  const auto reach = std::min(static_cast<std::int64_t>(regressed_h_), now - kFirstOrigin);
  for (std::int64_t ahead = 1; ahead <= reach; ++ahead) {
    const auto& origin = origins_[static_cast<std::size_t>(now - ahead) % origins_.size()];
    const Row row = row_of(origin, ahead);
    const double target = value - base_of(origin, ahead);
    auto& equations = equations_[ahead - 1];
    double* product = equations.products.data();
    const double* const features = row.data();  // plain, for this loop is most of a year's time
    for (std::size_t i = 0; i < kFeatures; ++i) {
      const double feature = features[i];
      for (std::size_t j = 0; j <= i; ++j) *product++ += feature * features[j];
      equations.targets[i] += feature * target;
    }
  }
}

void HistoryForecaster::refit() {
  const double unit = recent_.origin().scale * recent_.origin().scale;
  for (std::size_t i = 0; i < regressed_h_; ++i) {
    Row penalty;
    penalty.fill((kPenalty + kPenaltyPerHour * static_cast<double>(i + 1)) * unit);
    for (std::size_t k = RecentHours::kShared; k < kFeatures; ++k) penalty[k] *= kCalendarPenaltyShare;
    coefficients_[i] = solve<kFeatures>(equations_[i].products, equations_[i].targets, penalty);
  }
}

void HistoryForecaster::observe(double value) {
  recent_.push(value);
  const auto now = recent_.hours() - 1;
  origins_[static_cast<std::size_t>(now) % origins_.size()] = recent_.origin();
  learn(value);
  if (now >= kFirstFit && now % kRefitEvery == kRefitEvery - 1) refit();
}

void HistoryForecaster::forecast(std::span<const double> given, std::span<double> out) const {
  RecentHours recent = recent_;
  for (const double value : given) recent.push(value);
  const auto origin = recent.origin();
  recent.seasonal(out);
  const auto regressed = std::min(out.size(), regressed_h_);
  for (std::size_t i = 0; i < regressed; ++i) {
    const auto ahead = static_cast<std::int64_t>(i + 1);
    const Row row = row_of(origin, ahead);
    double expected = base_of(origin, ahead);
    for (std::size_t k = 0; k < kFeatures; ++k) expected += row[k] * coefficients_[i][k];
    out[i] += kRegressionShare * (expected - out[i]);
  }
}

ForecastErrors::ForecastErrors(std::int32_t horizon_h)
    : horizon_h_(static_cast<std::size_t>(horizon_h)),
      issued_(horizon_h_ * horizon_h_),
      mean_(horizon_h_),
      count_(horizon_h_) {}

void ForecastErrors::observe(double value) {
  const auto reach = std::min(hours_, horizon_h_);
  for (std::size_t ahead = 1; ahead <= reach; ++ahead) {
    const double expected = issued_[(hours_ - ahead) % horizon_h_ * horizon_h_ + ahead - 1];
    const double error = value > expected ? value - expected : expected - value;
    count_[ahead - 1] = std::min(count_[ahead - 1] + 1, kErrorMemory);
    mean_[ahead - 1] += (error - mean_[ahead - 1]) / count_[ahead - 1];
  }
}

void ForecastErrors::issued(std::span<const double> forecast) {
  std::ranges::copy(forecast.first(horizon_h_),
                    issued_.begin() + static_cast<std::ptrdiff_t>(hours_ % horizon_h_ * horizon_h_));
  ++hours_;
}

}  // namespace millrace::energy
