#include <algorithm>

#include "twin/sim/draws.h"
#include "twin/sim/engine.h"

namespace millrace::twin {

// Exponential times between failures and to repair: breakdowns without memory. A stream for each node and feed, so that
// two runs with one seed break at the same times whatever each of them schedules.
void Engine::plan_failure(EventKind kind, std::uint32_t subject, const FailureRate& rate) {
  if (rate.never()) return;
  const bool is_node = kind == EventKind::kNodeDown || kind == EventKind::kNodeUp;
  const bool is_failure = kind == EventKind::kNodeDown || kind == EventKind::kFeedDown;
  SeededRng& rng = is_node ? node_rng_[subject] : feed_rng_[subject];
  const double mean_s = static_cast<double>((is_failure ? rate.between : rate.repair).count());
  const double after_us = std::min(draw_exponential(rng, mean_s) * 1e6, 1e17);
  queue_.put(now_ + static_cast<VirtualTime>(after_us) + 1, kind, subject);
  if (!is_failure) ++mends_to_come_;
}

void Engine::is_mended() {
  --mends_to_come_;
  mended_at_ = now_;
}

// A node that breaks stays powered while it is mended; one whose feed failed draws nothing.
void Engine::node_breaks(scheduler::NodeIndex node) {
  ++tally_.node_failures;
  plan_failure(EventKind::kNodeUp, node, config_.node_types[config_.node_type[node]].failures);
  take_down(node, "its own failure");
}

void Engine::node_is_mended(scheduler::NodeIndex node) {
  is_mended();
  plan_failure(EventKind::kNodeDown, node, config_.node_types[config_.node_type[node]].failures);
  bring_up(node);
}

void Engine::feed_changes(scheduler::FeedIndex feed, bool broken) {
  if (broken) {
    ++tally_.feed_failures;
  } else {
    is_mended();
  }
  log_.add(now_, scope_name({scheduler::ScopeKind::kFeed, feed}), broken ? "down" : "up",
           broken ? "it failed" : "mended");
  plan_failure(broken ? EventKind::kFeedUp : EventKind::kFeedDown, feed, config_.feeds[feed].failures);
  for (scheduler::NodeIndex node = 0; node < config_.cluster.nodes.size(); ++node) {
    const scheduler::RackIndex rack = config_.cluster.nodes[node].rack;
    if (rack == scheduler::kNoIndex || config_.cluster.racks[rack].feed != feed) continue;
    power_.set_powered(node, !broken);
    if (broken) {
      take_down(node, "its feed failed");
    } else {
      bring_up(node);
    }
  }
}

void Engine::take_down(scheduler::NodeIndex node, std::string_view why) {
  if (++down_[node] > 1) return;
  for (const std::uint32_t slot : runs_on_[node]) break_run(slot);
  log_.add(now_, config_.cluster.nodes[node].name, "down", why);
  events_.emplace_back(control::NodeHealth{.node = node, .health = scheduler::Health::kDown});
}

void Engine::bring_up(scheduler::NodeIndex node) {
  if (--down_[node] > 0) return;
  log_.add(now_, config_.cluster.nodes[node].name, "up", "mended");
  events_.emplace_back(control::NodeHealth{.node = node, .health = scheduler::Health::kReady});
}

// A gang works together or not at all: what is left of it draws nothing and waits for its end.
void Engine::break_run(std::uint32_t slot) {
  Job& job = jobs_[slot];
  if (job.broken) return;
  count_up(job);
  clear_draw(job);
  job.broken = true;
  job.speed = 0.0;
  ++jobs_.versions(slot).plan;
}

}  // namespace millrace::twin
