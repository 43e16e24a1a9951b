#include "apps/background.h"

#include "host/scheduling.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::milliseconds kDrainEvery{100};
constexpr std::chrono::seconds kSampleEvery{10};

}  // namespace

Periodic::Periodic(std::chrono::milliseconds interval, std::function<void()> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { run(); }) {}

Periodic::~Periodic() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Periodic::run() {
  host::run_in_background();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    work_();
    lock.lock();
    stopped_.wait_for(lock, interval_, [this] { return stop_; });
  }
}

DrainTask::DrainTask(std::string folder, store::UsageTable& usage, api::UsedFigures& used, const Clock& clock,
                     host::Logger& log, std::function<void()> moved)
    : drain_(std::move(folder), usage, clock), used_(used), log_(log), moved_(std::move(moved)) {
  step();
  periodic_.emplace(kDrainEvery, [this] { step(); });
}

DrainTask::~DrainTask() {
  periodic_.reset();
  drain();
}

std::optional<ledger::JournalDrain::Report> DrainTask::drain() {
  auto report = drain_.drain(std::move(room_));
  if (!report) {
    log_.error("drain_failed", report.error());
    return std::nullopt;
  }
  for (const auto& damage : report->damage) log_.error("journal_damaged", {{"message", damage}});
  return *std::move(report);
}

void DrainTask::step() {
  auto report = drain();
  if (!report) return;
  if (const auto taken = used_.take(*report); !taken) log_.error("used_figures_failed", taken.error());
  if (!report->records.empty()) moved_();
  room_ = std::move(report->records);
}

EnergyTask::EnergyTask(store::Store& store, const store::UsageTable& usage,
                       const energy::LinearPowerModel& model, accel::EnergyCounter* counter,
                       const Clock& clock, host::Logger& log)
    : energy_(store, usage),
      model_(model),
      counter_(counter),
      clock_(clock),
      log_(log),
      periodic_(kSampleEvery, [this] { step(); }) {}

void EnergyTask::step() {
  auto reading = ledger::read_node(clock_);
  if (!reading) return log_.error("node_unreadable", reading.error());
  if (counter_ != nullptr) {
    if (const auto uj = counter_->read_uj()) reading->counter_uj = *uj;
  }
  if (const auto interval = energy_.sample(*reading, model_); !interval) {
    log_.error("energy_not_recorded", interval.error());
  }
}

}  // namespace millrace::apps
