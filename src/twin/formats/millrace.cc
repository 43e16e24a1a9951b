#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "twin/csv.h"
#include "twin/formats/builder.h"
#include "twin/formats/millrace.h"
#include "twin/generate/gang.h"

namespace millrace::twin {
namespace {

constexpr double kSecondsMax = 1e10;
constexpr std::int64_t kTokensMax = 1'000'000'000'000'000;

template <typename Value>
using Names = std::initializer_list<std::pair<std::string_view, Value>>;

constexpr Names<TraceJobKind> kJobKinds = {{"job", TraceJobKind::kJob},
                                           {"service", TraceJobKind::kService},
                                           {"environment", TraceJobKind::kEnvironment}};
constexpr Names<WorkProfile> kProfiles = {{"unknown", WorkProfile::kUnknown},
                                          {"training", WorkProfile::kTraining},
                                          {"prefill", WorkProfile::kPrefill},
                                          {"decode", WorkProfile::kDecode},
                                          {"cpu", WorkProfile::kCpu}};

template <typename Value>
std::string_view name_in(const Names<Value>& names, Value value) {
  for (const auto& [name, each] : names) {
    if (each == value) return name;
  }
  return "";
}

template <typename Value>
Value value_in(CsvReader& csv, CsvColumn column, const Names<Value>& names) {
  const auto field = csv.text(column);
  for (const auto& [name, value] : names) {
    if (name == field) return value;
  }
  if (!field.empty()) {
    std::string list;
    for (const auto& [name, value] : names) list += (list.empty() ? "" : ", ") + std::string(name);
    csv.fail(column, "want one of " + list);
  }
  return names.begin()->second;
}

/// Finds names of the site by the text of a field; what stood in the row before is tried first, as most rows repeat.
class NameIndex {
 public:
  template <typename Items, typename Name>
  NameIndex(const Items& items, Name name) {
    for (std::size_t i = 0; i < items.size(); ++i) names_.emplace_back(std::invoke(name, items[i]), i);
    std::ranges::sort(names_);
  }
  std::optional<std::size_t> find(std::string_view name) {
    if (last_ < names_.size() && names_[last_].first == name) return names_[last_].second;
    const auto found = std::ranges::lower_bound(
        names_, name, {}, [](const auto& each) { return std::string_view(each.first); });
    if (found == names_.end() || found->first != name) return std::nullopt;
    last_ = static_cast<std::size_t>(found - names_.begin());
    return found->second;
  }

 private:
  std::vector<std::pair<std::string, std::size_t>> names_;
  std::size_t last_ = 0;
};

struct Columns {
  explicit Columns(CsvReader& csv)
      : arrival(csv.column("arrival_s")),
        work(csv.column("work_s")),
        tasks(csv.maybe_column("tasks")),
        accelerators(csv.maybe_column("accelerators")),
        milli(csv.maybe_column("accelerator_milli")),
        cpu(csv.maybe_column("cpu_milli")),
        memory(csv.maybe_column("memory_mib")),
        kinds(csv.maybe_column("kinds")),
        reference(csv.maybe_column("reference_kind")),
        account(csv.maybe_column("account")),
        priority(csv.maybe_column("priority_class")),
        profile(csv.maybe_column("profile")),
        kind(csv.maybe_column("kind")),
        utilisation(csv.maybe_column("utilisation_milli")),
        deadline(csv.maybe_column("deadline_s")),
        flags(csv.maybe_column("flags")),
        zones(csv.maybe_column("zones")),
        jurisdictions(csv.maybe_column("jurisdictions")),
        accelerator_memory(csv.maybe_column("accelerator_memory_mib")),
        siblings(csv.maybe_column("siblings")),
        input_tokens(csv.maybe_column("input_tokens")),
        output_tokens(csv.maybe_column("output_tokens")) {}
  CsvColumn arrival, work, tasks, accelerators, milli, cpu, memory, kinds, reference, account, priority,
      profile, kind, utilisation, deadline, flags, zones, jurisdictions, accelerator_memory, siblings,
      input_tokens, output_tokens;
};

class RowReader {
 public:
  RowReader(CsvReader& csv, TraceBuilder& builder)
      : csv_(csv),
        builder_(builder),
        columns_(csv),
        classes_(builder.site().priority_classes, &PriorityClassConfig::name),
        leaves_(builder.site().leaves,
                [&](auto leaf) -> const std::string& { return builder.site().accounts[leaf].name; }) {
    csv.refuse_others();
  }

  TraceJob read() {
    TraceJob job;
    job.arrival = seconds(columns_.arrival);
    job.work = seconds(columns_.work);
    job.deadline = has(columns_.deadline) ? seconds(columns_.deadline) : kNever;
    if (job.deadline < job.arrival) csv_.fail(columns_.deadline, "is before arrival_s");
    job.tasks = integer(columns_.tasks, 1, 10'000'000, 1);
    auto& demand = job.demand;
    demand.accelerators = integer(columns_.accelerators, 0, scheduler::kDevicesMax, 0);
    demand.accelerator_milli = integer(columns_.milli, 1, 1000, 1000);
    if (demand.accelerator_milli < 1000 && demand.accelerators != 1)
      csv_.fail(columns_.milli, "a fraction goes with one accelerator only");
    demand.cpu_milli = integer(columns_.cpu, 0, 1'000'000'000, 0);
    demand.memory_mib = integer(columns_.memory, 0, 1'000'000'000, 0);
    job.utilisation_milli = integer(columns_.utilisation, 0, 1000, 1000);
    job.profile = value_in(csv_, columns_.profile, kProfiles);
    job.kind = value_in(csv_, columns_.kind, kJobKinds);
    job.input_tokens = tokens(columns_.input_tokens);
    job.output_tokens = tokens(columns_.output_tokens);
    read_names(job);
    WorkNeeds needs;
    read_flags(job, needs);
    read_needs(job, needs);
    return job;
  }

 private:
  bool has(CsvColumn column) const { return !csv_.text(column).empty(); }
  TraceTime seconds(CsvColumn column) { return TraceTime(csv_.scaled(column, 1e6, 0, kSecondsMax)); }
  std::int32_t integer(CsvColumn column, std::int64_t least, std::int64_t most, std::int32_t fallback) {
    return has(column) ? static_cast<std::int32_t>(csv_.integer(column, least, most)) : fallback;
  }
  std::int64_t tokens(CsvColumn column) { return has(column) ? csv_.integer(column, 0, kTokensMax) : 0; }
  std::size_t named(CsvColumn column, NameIndex& index, std::string_view what) {
    const auto found = index.find(csv_.text(column));
    if (!found) csv_.fail(column, fmt::format("the site has no such {}", what));
    return found.value_or(0);
  }

  void read_names(TraceJob& job) {
    if (job.demand.accelerators > 0 && has(columns_.kinds) && !csv_.failed())
      job.kinds = builder_.kinds_of(csv_.text(columns_.kinds));
    if (has(columns_.reference) && !csv_.failed()) builder_.recorded_on(job, csv_.text(columns_.reference));
    job.account = has(columns_.account)
                      ? static_cast<std::uint16_t>(
                            builder_.site().leaves[named(columns_.account, leaves_, "account of a project")])
                      : builder_.deal_account();
    job.priority_class =
        has(columns_.priority)
            ? static_cast<std::uint16_t>(named(columns_.priority, classes_, "priority class"))
            : builder_.class_default();
    job.preemptible = builder_.class_preemptible(job.priority_class);
  }

  /// Names between "|", each of which a site has.
  template <typename Name>
  std::vector<std::string> names(CsvColumn column, std::string_view what, Name name) {
    std::vector<std::string> found;
    const std::string_view list = csv_.text(column);
    const auto& sites = builder_.site().cluster.sites;
    for (std::size_t from = 0; !list.empty() && from <= list.size();) {
      const auto stop = std::min(list.find('|', from), list.size());
      found.emplace_back(list.substr(from, stop - from));
      if (std::ranges::find(sites, found.back(), name) == sites.end())
        csv_.fail(column, fmt::format("no site is in the {} '{}'", what, found.back()));
      from = stop + 1;
    }
    return found;
  }

  void read_needs(TraceJob& job, WorkNeeds& needs) {
    needs.zones = names(columns_.zones, "zone", &scheduler::Site::zone);
    needs.jurisdictions = names(columns_.jurisdictions, "jurisdiction", &scheduler::Site::jurisdiction);
    needs.accelerator_memory_mib = integer(columns_.accelerator_memory, 0, 1'000'000'000, 0);
    // Work that no kind suits keeps them all: the scheduler says why it never runs.
    if (const auto kinds = kinds_with_memory(builder_.site(), job.kinds, needs.accelerator_memory_mib))
      job.kinds = kinds;
    needs.siblings = csv_.text(columns_.siblings);
    if (!needs.siblings.empty() && job.spread == scheduler::Spread::kNone)
      csv_.fail(columns_.siblings, "goes with one of the flags h, r, l");
    const auto index = builder_.needs_of(needs);
    if (!index) csv_.fail(columns_.zones, "more than 65,535 different needs: cut the trace into parts");
    job.needs = index.value_or(0);
  }

  /// Letters: a attested nodes only, d deferrable, i interruptible, n not preemptible, o one domain, r no two tasks in one rack, l on one rail.
  void read_flags(TraceJob& job, WorkNeeds& needs) {
    for (const char flag : csv_.text(columns_.flags)) {
      if (flag == 'd')
        job.deferrable = true;
      else if (flag == 'a')
        needs.attested = true;
      else if (flag == 'i')
        job.interruptible = true;
      else if (flag == 'n')
        job.preemptible = false;
      else if (flag == 'o')
        job.one_domain = true;
      else if (flag == 'h')
        job.spread = scheduler::Spread::kNode;
      else if (flag == 'r')
        job.spread = scheduler::Spread::kRack;
      else if (flag == 'l')
        job.spread = scheduler::Spread::kRail;
      else
        csv_.fail(columns_.flags, "want letters of a, d, i, n, o, h, r, l");
    }
    if (job.deferrable && job.deadline == kNever) {
      if (columns_.deadline == kNoColumn) {
        csv_.fail(columns_.flags, "'d' needs a column deadline_s: deferrable work has one");
      } else {
        csv_.fail(columns_.deadline, "is missing: deferrable work needs it");
      }
    }
  }

  CsvReader& csv_;
  TraceBuilder& builder_;
  Columns columns_;
  NameIndex classes_, leaves_;
};

/// Seconds with no more decimals than needed.
void append_seconds(std::string& out, TraceTime time) {
  const auto us = time.count();
  fmt::format_to(std::back_inserter(out), "{}", us / 1'000'000);
  if (us % 1'000'000 == 0) return;
  auto decimals = fmt::format(".{:06}", us % 1'000'000);
  while (decimals.back() == '0') decimals.pop_back();
  out += decimals;
}

/// Of work that may run on some kinds only; else empty.
std::string kind_list(const TraceJob& job, const SiteConfig& site) {
  std::string list;
  if (~job.kinds == 0) return list;
  for (std::size_t k = 0; k < site.cluster.kinds.size(); ++k) {
    if ((job.kinds >> k & 1) != 0) list += (list.empty() ? "" : "|") + site.cluster.kinds[k].kind;
  }
  return list;
}

void append_needs(std::string& out, const WorkNeeds& needs) {
  if (needs.attested) out += 'a';
  const auto list = [](const std::vector<std::string>& names) {
    return csv_field(fmt::format("{}", fmt::join(names, "|")));
  };
  fmt::format_to(std::back_inserter(out), ",{},{},", list(needs.zones), list(needs.jurisdictions));
  if (needs.accelerator_memory_mib > 0)
    fmt::format_to(std::back_inserter(out), "{}", needs.accelerator_memory_mib);
  out += ',' + csv_field(needs.siblings);
}

}  // namespace

std::string_view name_of(WorkProfile profile) { return name_in(kProfiles, profile); }

std::string millrace_header(std::span<const WorkNeeds> needs) {
  std::string header =
      "arrival_s,work_s,tasks,accelerators,accelerator_milli,cpu_milli,memory_mib,kinds,reference_kind,"
      "account,"
      "priority_class,profile,kind,utilisation_milli,deadline_s,flags";
  if (needs.size() > 1) header += ",zones,jurisdictions,accelerator_memory_mib,siblings";
  return header + "\n";
}

void append_millrace_row(std::string& out, const TraceJob& job, const SiteConfig& site,
                         std::span<const WorkNeeds> needs) {
  append_seconds(out, job.arrival);
  out += ',';
  append_seconds(out, job.work);
  fmt::format_to(std::back_inserter(out), ",{},{},{},{},{},", job.tasks, job.demand.accelerators,
                 job.demand.accelerator_milli, job.demand.cpu_milli, job.demand.memory_mib);
  out += csv_field(kind_list(job, site)) + ',';
  if (job.reference_kind != TraceJob::kAnyKind) out += csv_field(site.cluster.kinds[job.reference_kind].kind);
  fmt::format_to(std::back_inserter(out), ",{},{},{},{},{},", csv_field(site.accounts[job.account].name),
                 csv_field(site.priority_classes[job.priority_class].name), name_in(kProfiles, job.profile),
                 name_in(kJobKinds, job.kind), job.utilisation_milli);
  if (job.deadline != kNever) append_seconds(out, job.deadline);
  out += ',';
  if (job.deferrable) out += 'd';
  if (job.interruptible) out += 'i';
  if (!job.preemptible && site.priority_classes[job.priority_class].preemptible) out += 'n';
  if (job.one_domain) out += 'o';
  if (job.spread == scheduler::Spread::kNode) out += 'h';
  if (job.spread == scheduler::Spread::kRack) out += 'r';
  if (job.spread == scheduler::Spread::kRail) out += 'l';
  if (needs.size() > 1) append_needs(out, needs[job.needs]);
  out += '\n';
}

Result<void> read_millrace(std::string_view text, TraceBuilder& builder) {
  CsvReader csv(text, builder.file(), ',', true);
  RowReader rows(csv, builder);
  while (csv.next()) {
    const auto job = rows.read();
    if (!csv.failed()) TRY_VOID(builder.add(job, csv.line()));
  }
  return csv.finish();
}

}  // namespace millrace::twin
