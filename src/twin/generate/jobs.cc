#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "twin/generate/gang.h"
#include "twin/generate/sampler.h"
#include "twin/generator.h"
#include "twin/site_config.h"

namespace millrace::twin {
namespace {

constexpr double kSecondsPerDay = 86'400, kSecondsPerHour = 3'600;

struct PreparedClass {
  const WorkClass* work = nullptr;
  std::uint64_t mask = 0;
  std::uint16_t reference = TraceJob::kAnyKind;
  std::uint16_t priority_class = 0;
  std::uint16_t needs = 0;
  bool preemptible = true;
  std::vector<Gang> sizes{};
  std::vector<std::int64_t> shares{};
  double accelerator_seconds_mean = 0;
};

Result<PreparedClass> prepare_class(const SiteConfig& site, const WorkClass& work) {
  PreparedClass prepared{.work = &work, .mask = kinds_mask(site, work.kinds)};
  prepared.mask = kinds_with_memory(site, prepared.mask, work.needs.accelerator_memory_mib);
  const auto room = room_of(site, prepared.mask, work.needs);
  prepared.reference = room.reference;
  prepared.priority_class = site.default_class;
  if (!work.priority_class.empty()) {
    const auto found =
        std::ranges::find(site.priority_classes, work.priority_class, &PriorityClassConfig::name);
    if (found == site.priority_classes.end()) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("workload class '{}': the site has no priority class '{}'", work.name,
                                 work.priority_class));
    }
    prepared.priority_class = static_cast<std::uint16_t>(found - site.priority_classes.begin());
  }
  prepared.preemptible = site.priority_classes[prepared.priority_class].preemptible;
  // Services and notebooks always hold a part of a shared site: a job of all of it would never start, or empty it for days.
  const auto shared =
      std::max<std::int64_t>(room.accelerators / 2, room.node != nullptr ? room.node->accelerators : 0);
  auto most = work.one_domain ? std::min(room.domain_accelerators, shared) : shared;
  if (work.spread != scheduler::Spread::kNone && room.node != nullptr)
    most = std::min(most, failure_groups(site, prepared.mask, work.spread, Among::kGang, work.needs) *
                              room.node->accelerators);
  double size_sum = 0, share_sum = 0;
  for (const auto& size : work.sizes) {
    if (size.accelerators > most || size.share <= 0) continue;
    prepared.sizes.push_back(gang_of(site.workload, room, size.accelerators, size.accelerator_milli));
    prepared.shares.push_back(size.share);
    size_sum += static_cast<double>(size.share) * size.accelerators * size.accelerator_milli / 1000;
    share_sum += static_cast<double>(size.share);
  }
  if (prepared.sizes.empty()) {
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "workload class '{}': none of its sizes fits: at most {} accelerators go to one job (half of the "
            "largest site, or one node, and no more than a domain, or a node of each rack or rail, where it "
            "asks for that)",
            work.name, most));
  }
  prepared.accelerator_seconds_mean =
      size_sum / share_sum *
      mean_of_cut_log_normal(static_cast<double>(work.duration_median.count()), work.duration_sigma,
                             static_cast<double>(work.duration_min.count()),
                             static_cast<double>(work.duration_max.count()));
  return prepared;
}

/// Rates by hour of the week, relative to their mean.
class Profile {
 public:
  Profile(const GeneratorConfig& config, TimePoint start) : start_(start) {
    const auto flat = [](const auto& weights) {
      return std::ranges::all_of(weights, [](auto weight) { return weight == 0; });
    };
    const auto part = [&](const auto& weights, std::size_t at) {
      if (flat(weights)) return 1.0;
      const auto sum = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
      return static_cast<double>(weights[at]) * static_cast<double>(weights.size()) /
             static_cast<double>(sum);
    };
    for (std::size_t i = 0; i < rates_.size(); ++i)
      rates_[i] = part(config.weekday_weight, i / 24) * part(config.hour_weight, i % 24);
  }
  /// In the hour that `seconds` after the start lies in; `left` is what is left of that hour.
  double rate(double seconds, double& left) const {
    constexpr std::int64_t kMondayHour = 96;  // 1970-01-01 was a Thursday: 96 hours before the first Monday
    const double since_epoch = static_cast<double>(start_.time_since_epoch().count()) * 1e-6 + seconds;
    const double hour = std::floor(since_epoch / kSecondsPerHour);
    left = (hour + 1) * kSecondsPerHour - since_epoch;
    const auto of_week = (static_cast<std::int64_t>(hour) - kMondayHour) % 168;
    return rates_[static_cast<std::size_t>((of_week + 168) % 168)];
  }

 private:
  TimePoint start_;
  std::array<double, 168> rates_{};
};

class GeneratedJobs final : public JobSource {
 public:
  GeneratedJobs(const SiteConfig& site, std::vector<PreparedClass> classes, std::uint64_t seed, TraceTime end)
      : workload_(site.workload),
        classes_(std::move(classes)),
        leaves_(site.leaves),
        sampler_(seed),
        accounts_(leaf_weights(site)),
        profile_(workload_, site.start),
        end_(end) {
    std::vector<std::int64_t> shares;
    double share_sum = 0, work_sum = 0;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      auto& one = classes_[i];
      one.work = &workload_.classes[i];
      shares.push_back(one.work->share);
      share_sum += static_cast<double>(one.work->share);
      work_sum += static_cast<double>(one.work->share) * one.accelerator_seconds_mean;
      sizes_.emplace_back(one.shares);
      if (one.work->needs != WorkNeeds{}) {
        one.needs = static_cast<std::uint16_t>(needs_.size());
        needs_.push_back(one.work->needs);
      }
    }
    class_choice_.emplace(shares);
    per_second_ = workload_.jobs_per_day / kSecondsPerDay;
    if (per_second_ == 0)
      per_second_ = workload_.load * static_cast<double>(site.accelerators()) / (work_sum / share_sum);
    facts_.format = "generator";
    facts_.origin = fmt::format("generator, seed {}", seed);
    if (workload_.jobs > 0) expected_ = workload_.jobs;
  }

  std::optional<TraceJob> next() override {
    if (ended_ || (workload_.jobs > 0 && facts_.jobs >= workload_.jobs)) return std::nullopt;
    advance();
    const auto arrival = TraceTime(std::llround(seconds_ * 1e6));
    if (arrival >= end_) {
      ended_ = true;
      return std::nullopt;
    }
    ++facts_.jobs;
    facts_.last_arrival = arrival;
    return draw(arrival);
  }
  std::int64_t jobs_expected() const override { return expected_; }
  const TraceFacts& facts() const override { return facts_; }
  const std::vector<WorkNeeds>& needs() const override { return needs_; }

 private:
  /// To the next arrival: an exponential amount of the integral of the rate.
  void advance() {
    double amount = sampler_.exponential() / per_second_;
    for (;;) {
      double left = 0;
      const double rate = profile_.rate(seconds_, left);
      if (amount <= rate * left) {
        seconds_ += amount / rate;
        return;
      }
      amount -= rate * left;
      seconds_ += left;
      if (seconds_ * 1e6 >= static_cast<double>(end_.count())) return;
    }
  }

  TraceJob draw(TraceTime arrival) {
    const auto at = class_choice_->draw(sampler_);
    const auto& one = classes_[at];
    const auto& work = *one.work;
    const auto& size = one.sizes[sizes_[at].draw(sampler_)];
    TraceJob job;
    job.arrival = arrival;
    const double seconds = std::clamp(
        sampler_.log_normal(static_cast<double>(work.duration_median.count()), work.duration_sigma),
        static_cast<double>(work.duration_min.count()), static_cast<double>(work.duration_max.count()));
    job.work = TraceTime(std::llround(seconds * 1e3) * 1000);  // whole milliseconds
    job.demand = size.demand;
    job.tasks = size.tasks;
    job.utilisation_milli = std::min(
        1000, static_cast<std::int32_t>(work.utilisation_milli * (800 + sampler_.below(401)) / 1000));
    job.kinds = one.mask;
    job.needs = one.needs;
    job.reference_kind = one.reference;
    job.account = static_cast<std::uint16_t>(leaves_[accounts_.draw(sampler_)]);
    job.priority_class = one.priority_class;
    job.profile = work.profile;
    job.kind = work.kind;
    job.deferrable = sampler_.below(1000) < work.deferrable_milli;
    if (job.deferrable) job.deadline = arrival + job.work + work.slack;
    job.interruptible = work.interruptible;
    job.preemptible = one.preemptible;
    job.one_domain = work.one_domain;
    job.spread = work.spread;
    return job;
  }

  const GeneratorConfig workload_;
  std::vector<PreparedClass> classes_;
  std::vector<WeightedChoice> sizes_;  // by class
  std::vector<WorkNeeds> needs_{{}};
  const std::vector<scheduler::AccountIndex> leaves_;
  Sampler sampler_;
  WeightedChoice accounts_;
  Profile profile_;
  std::optional<WeightedChoice> class_choice_;
  double per_second_ = 0, seconds_ = 0;
  TraceTime end_;
  bool ended_ = false;
  std::int64_t expected_ = 0;
  TraceFacts facts_;
};

}  // namespace

Result<std::unique_ptr<JobSource>> generate_jobs(const SiteConfig& site, std::uint64_t seed, TraceTime end) {
  if (end == kNever && site.workload.jobs == 0) {
    return failure(ErrorCode::kInvalidArgument,
                   "generate: neither an end nor a number of jobs is given: give one");
  }
  if (site.workload.classes.empty()) {
    return failure(ErrorCode::kInvalidArgument, "generate: the site's workload has no class");
  }
  std::vector<PreparedClass> classes;
  for (const auto& work : site.workload.classes) classes.push_back(TRY(prepare_class(site, work)));
  return std::make_unique<GeneratedJobs>(site, std::move(classes), seed, end);
}

}  // namespace millrace::twin
