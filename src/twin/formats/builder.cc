#include "twin/formats/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scheduler/catalogue.h"
#include "twin/kind_times.h"
#include "twin/stable_order.h"

namespace millrace::twin {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_kind(std::string_view kind, std::string_view name) {
  const auto equal = [&](std::string_view a) {
    return std::ranges::equal(a, name, [](char x, char y) { return lower(x) == lower(y); });
  };
  if (equal(kind)) return true;
  const auto vendor = kind.find('-');
  return vendor != std::string_view::npos && equal(kind.substr(vendor + 1));
}

}  // namespace

TraceBuilder::TraceBuilder(const SiteConfig& site, const TraceOptions& options, std::string_view format,
                           std::string file)
    : site_(site),
      options_(options),
      room_(room_of(site, ~std::uint64_t{0})),
      deal_(0),
      accounts_(leaf_weights(site)) {
  trace_.facts.format = format;
  trace_.facts.origin = std::move(file);
}

Result<void> TraceBuilder::add(const TraceJob& job, std::int64_t line) {
  if (std::cmp_greater_equal(trace_.jobs.size(), options_.max_jobs)) {
    return failure(ErrorCode::kExhausted, fmt::format("{}:{}: more than {} jobs: cut the trace into parts",
                                                      file(), line, options_.max_jobs));
  }
  trace_.jobs.push_back(job);
  return {};
}

std::uint16_t TraceBuilder::deal_account() {
  return static_cast<std::uint16_t>(site_.leaves[accounts_.draw(deal_)]);
}

std::uint64_t TraceBuilder::kinds_of(std::string_view list) {
  if (list.empty()) return ~std::uint64_t{0};
  std::uint64_t mask = 0;
  for (std::size_t from = 0; from <= list.size();) {
    const auto stop = std::min(list.find('|', from), list.size());
    for (std::size_t k = 0; k < site_.cluster.kinds.size(); ++k) {
      if (same_kind(site_.cluster.kinds[k].kind, list.substr(from, stop - from)))
        mask |= std::uint64_t{1} << k;
    }
    from = stop + 1;
  }
  if (mask != 0) return mask;
  ++trace_.facts.kinds_unknown;
  return ~std::uint64_t{0};
}

namespace {

const scheduler::CatalogueEntry* in_catalogue(std::string_view name) {
  const auto entries = scheduler::catalogue();
  const auto found =
      std::ranges::find_if(entries, [&](const auto& each) { return same_kind(each.kind, name); });
  return found == entries.end() ? nullptr : &*found;
}

}  // namespace

void TraceBuilder::recorded_on(TraceJob& job, std::string_view name) {
  const auto& kinds = site_.cluster.kinds;
  const auto its = std::ranges::find_if(kinds, [&](const auto& kind) { return same_kind(kind.kind, name); });
  if (its != kinds.end()) {
    job.reference_kind = static_cast<std::uint16_t>(its - kinds.begin());
    return;
  }
  // Else it takes as long on every kind.
  if (job.kind != TraceJobKind::kJob) return;
  if (job.demand.accelerators == 0 || !reference_of(job.profile, is_alone(job))) return;
  const auto* known = in_catalogue(name);
  const auto there =
      known == nullptr ? std::nullopt : seconds_on(known->capability(), job.profile, is_alone(job));
  for (std::size_t k = 0; there && k < kinds.size(); ++k) {
    const auto here = seconds_on(kinds[k], job.profile, is_alone(job));
    if (!here) continue;
    job.reference_kind = static_cast<std::uint16_t>(k);
    job.work = TraceTime(std::llround(static_cast<double>(job.work.count()) * *here / *there));
    ++trace_.facts.references_converted;
    return;
  }
  ++trace_.facts.references_unknown;
}

std::optional<std::uint16_t> TraceBuilder::needs_of(const WorkNeeds& needs) {
  const auto [known, added] = needs_at_.try_emplace(needs, trace_.needs.size());
  if (known->second > UINT16_MAX) {
    needs_at_.erase(known);
    return std::nullopt;
  }
  if (added) trace_.needs.push_back(needs);
  return static_cast<std::uint16_t>(known->second);
}

Result<Trace> TraceBuilder::finish() {
  auto& facts = trace_.facts;
  if (trace_.jobs.empty()) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("{}: holds no work in format {}", file(), facts.format));
  }
  trace_.jobs.shrink_to_fit();
  sort_stably(trace_.jobs, &TraceJob::arrival);
  facts.jobs = static_cast<std::int64_t>(trace_.jobs.size());
  facts.last_arrival = trace_.jobs.back().arrival;
  if (facts.kinds_unknown > 0) {
    facts.notes.push_back(fmt::format(
        "{} jobs name only accelerators that the site has not; they may run on any", facts.kinds_unknown));
  }
  if (facts.references_converted > 0) {
    facts.notes.push_back(
        fmt::format("{} jobs were measured on kinds that the site has not: their work on its kinds is by the "
                    "catalogue's figures and the roofline",
                    facts.references_converted));
  }
  if (facts.references_unknown > 0) {
    facts.notes.push_back(fmt::format(
        "{} jobs were measured on kinds of which no figures are known: they take as long on every kind",
        facts.references_unknown));
  }
  return std::move(trace_);
}

}  // namespace millrace::twin
