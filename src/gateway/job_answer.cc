// The second half of a job: what the engine says, what the client gets, and the settlement.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "energy/carbon.h"
#include "energy/cost.h"
#include "gateway/dialect/errors.h"
#include "gateway/job.h"

namespace millrace::gateway {
namespace {

/// Unsent bytes of an answer above which the engine is not read any further.
constexpr std::size_t kMaxHeldBytes = 48 * 1024;
constexpr std::size_t kMaxCountBytes = 64 * 1024;

/// "6m0s", "1s", "120ms": how the OpenAI API writes durations.
std::string_view add_duration(RateLimitText& text, std::chrono::nanoseconds time) {
  const std::size_t start = text.size();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  if (ms < 1000) {
    text.add(ms);
    text.add("ms");
    return text.view(start);
  }
  const auto seconds = (ms + 999) / 1000;
  if (seconds >= 60) {
    text.add(seconds / 60);
    text.add("m");
  }
  text.add(seconds % 60);
  text.add("s");
  return text.view(start);
}

struct RateLimitHeaders {
  std::string_view limit, remaining, reset;
};
constexpr RateLimitHeaders kRequestHeaders = {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
                                              "x-ratelimit-reset-requests"};
constexpr RateLimitHeaders kTokenHeaders = {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens",
                                            "x-ratelimit-reset-tokens"};

void add_headers(std::vector<net::Header>& headers, RateLimitText& text, const RateLimitHeaders& names,
                 const std::optional<RateLimitView::Dimension>& dimension) {
  if (!dimension) return;
  headers.push_back({names.limit, text.add(dimension->limit)});
  headers.push_back({names.remaining, text.add(dimension->remaining)});
  headers.push_back({names.reset, add_duration(text, dimension->reset)});
}

constexpr std::chrono::seconds kRetryAfter{1};  // where an upstream says nothing, or nothing sensible
constexpr std::chrono::milliseconds kMaxRetryAfter{600'000};  // none is believed beyond that

/// How long an upstream wants to be left alone. A date (RFC 9110, 10.2.3) is not read: it needs its clock to be ours.
std::chrono::nanoseconds retry_after(const net::ResponseHead& head) {
  const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
    const std::string_view text = head.find(name).value_or("");
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return std::min<std::int64_t>(value, kMaxRetryAfter.count());
  };
  std::chrono::milliseconds wait = kRetryAfter;
  if (const auto ms = number("retry-after-ms")) {
    wait = std::chrono::milliseconds(*ms);
  } else if (const auto seconds = number("retry-after")) {
    wait = std::chrono::seconds(*seconds);
  }
  return std::min(wait, kMaxRetryAfter);
}

}  // namespace

// ---- from the engine --------------------------------------------------------------------------------------------

void Job::on_head(const net::ResponseHead& head) {
  if (state_ == State::kCounting) {
    count_status_ = head.status;
    return;
  }
  reader_ = adapter_->reader(parsed_->request, replica_->target);
  reader_->head(head.status, head.find("content-type").value_or(""));
  prompt_read_ = head.status < 300;
  if (head.status == 429 || head.status == 503) retry_after_ = retry_after(head);
  parsed_.reset();  // from here on there is no retry
}

void Job::on_body(std::string_view bytes) {
  if (state_ == State::kCounting) {
    count_body_.append(bytes.substr(0, kMaxCountBytes - std::min(count_body_.size(), kMaxCountBytes)));
  } else {
    read_engine(bytes);
  }
}

void Job::read_engine(std::string_view bytes) {
  const auto fed = reader_->feed(bytes, *this);
  if (!fed) return fail(dialect::engine_failed(fed.error().message));
  if (reader_->cut()) {
    cancel_call();
    return finish();
  }
  if (!reader_->error()) pass_on();
}

void Job::on_done() {
  call_ = 0;
  if (state_ == State::kCounting) {
    const auto tokens = adapter_->read_count(count_status_, count_body_);
    return counted(tokens ? std::optional(*tokens) : std::nullopt);
  }
  const auto ended = reader_->end(*this);
  if (const auto& error = reader_->error()) {
    const bool later = error->status == 503 || error->code == "rate_limit_exceeded";
    return fail(dialect::from_engine(*error, dialect_.path(), effort_member_),
                later ? retry_after_ : std::nullopt);
  }
  if (!ended) return fail(dialect::engine_failed(ended.error().message));
  finish();
}

void Job::on_error(const Error& error, bool any_byte_received) {
  call_ = 0;
  if (state_ == State::kCounting) return counted(std::nullopt);
  leave_replica();
  const bool may_retry = !any_byte_received && !answer_->started() && error.code != ErrorCode::kTimeout;
  if (may_retry && attempts_ < 2) {
    if (auto other = context_.pool.choose(endpoint_, prompt_ ? *prompt_ : Prompt{}, true, replica_.get())) {
      replica_ = std::move(other);
      return forward();
    }
  }
  context_.log.warning("engine_failed", {{"request_id", request_id_},
                                         {"endpoint", endpoint_},
                                         {"replica", replica_->id},
                                         {"message", error.message}});
  if (!any_byte_received && error.code != ErrorCode::kTimeout) {
    return fail(
        dialect::overloaded(fmt::format("the engine of '{}' cannot be reached; if it is local, it is being "
                                        "restarted: retry soon",
                                        endpoint_)),
        std::chrono::seconds{1});
  }
  fail(dialect::engine_failed(fmt::format("the engine of '{}' ended its answer early", endpoint_)));
}

void Job::on_progress(const engine::Usage& so_far, std::int64_t /*prompt_total*/) {
  const auto prompt = (so_far.input - so_far.cached) - (usage_.input - usage_.cached);
  const auto output = so_far.output - usage_.output;
  if (meter_key_ != 0) {
    replica_->meter.add_work(meter_key_, std::max<std::int64_t>(prompt, 0) * energy::kPromptTokenWork +
                                             std::max<std::int64_t>(output, 0) * energy::kOutputTokenWork);
  }
  work_off(prompt + output);
  // Figures that the engine states take the place of an estimate, which may have been higher.
  usage_.input = usage_.estimated && !so_far.estimated ? so_far.input : std::max(usage_.input, so_far.input);
  usage_.estimated = so_far.estimated;
  usage_.cached = std::max(usage_.cached, so_far.cached);
  usage_.output = std::max(usage_.output, so_far.output);
  usage_.reasoning = std::max(usage_.reasoning, so_far.reasoning);
  if (slot_) context_.journal.update(*slot_, figures(), context_.clock.now());
  if (so_far.output > 0 && !first_output_) {
    first_output_ = true;
    const MonotonicPoint now = context_.loop.now();
    context_.metrics.time_to_first_token.add(std::chrono::duration<double>(now - started_).count());
    if (use_ != nullptr) use_->first_token(now - sent_at_);
  }
}

/// What is done is not queued any more; a token stays until the request ends.
void Job::work_off(std::int64_t tokens) {
  const auto done = std::clamp<std::int64_t>(tokens, 0, std::max<std::int64_t>(queued_work_ - 1, 0));
  queued_work_ -= done;
  replica_->queued_work -= done;
}

void Job::on_text(int choice, std::string_view text) { answer_->on_text(choice, text); }
void Job::on_reasoning(int choice, std::string_view text) { answer_->on_reasoning(choice, text); }
void Job::on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                       std::string_view arguments) {
  answer_->on_tool_call(choice, index, id, name, arguments);
}
void Job::on_logprobs(int choice, std::string_view json) { answer_->on_logprobs(choice, json); }
void Job::on_finish(int choice, engine::FinishReason reason) { answer_->on_finish(choice, reason); }
void Job::on_stop(int choice, std::string_view sequence) { answer_->on_stop(choice, sequence); }
void Job::on_embedding(int index, std::vector<float> values) {
  answer_->on_embedding(index, std::move(values));
}
void Job::on_usage(const engine::Usage& usage) { usage_ = usage; }

// ---- to the client ----------------------------------------------------------------------------------------------

void Job::respond_headers(std::vector<net::Header>& headers) {
  headers.reserve(headers.size() + 8);
  headers.push_back({"x-request-id", request_id_});
  if (const auto own = dialect_.id_header(); !own.empty()) headers.push_back({own, request_id_});
  const auto* key = reservation_ ? nullptr : context_.policy.key(key_id_);
  if (!reservation_ && key == nullptr) return;
  const auto view = Limiter::view(reservation_ ? reservation_->scopes : context_.limiter.scopes_of(*key),
                                  context_.loop.now());
  headers_text_.clear();
  add_headers(headers, headers_text_, kRequestHeaders, view.requests);
  add_headers(headers, headers_text_, kTokenHeaders, view.tokens);
}

/// The head of a streamed answer, once.
void Job::start_stream() {
  if (started_answer_) return;
  started_answer_ = true;
  std::vector<net::Header> headers{{"cache-control", "no-cache"}};
  respond_headers(headers);
  exchange_.start(200, answer_->content_type(), headers);
}

/// Writes what the answer has made so far, and stops reading the engine while the client is slower than it.
void Job::pass_on() {
  if (!answer_->streaming()) return;
  const std::string bytes = answer_->take();
  if (bytes.empty()) return;
  start_stream();
  exchange_.write(bytes);
  if (!paused_ && call_ != 0 && exchange_.pending_bytes() > kMaxHeldBytes) {
    paused_ = true;
    context_.client.pause(call_);
  }
}

ledger::Figures Job::figures() const {
  return {.input_tokens = usage_.input,
          .cached_tokens = usage_.cached,
          .output_tokens = usage_.output,
          .reasoning_tokens = usage_.reasoning,
          .energy_uj = energy_uj_};
}

/// An engine that has begun to answer has read the prompt, whatever becomes of the answer.
void Job::note_figures() {
  if (usage_.input == 0 && prompt_read_)
    usage_.input = engine::estimated_tokens(static_cast<std::size_t>(prompt_bytes_));
  if (slot_) context_.journal.finalise(*slot_, figures(), context_.clock.now());
}

std::int64_t Job::cost() const {
  return energy::cost_microeur(usage_.input, usage_.output, price_.input_microeur_per_mtok,
                               price_.output_microeur_per_mtok);
}

dialect::Footprint Job::footprint() const {
  const auto& site = context_.policy.site();
  dialect::Footprint footprint;
  footprint.cost_microeur = cost();
  footprint.site = site.site;
  footprint.zone = site.zone;
  footprint.basis = energy_uj_ >= 0 ? site.basis : "unknown";
  if (energy_uj_ >= 0) {
    footprint.energy_uj = energy_uj_;
    footprint.co2e_ug = energy::co2e_ug(energy_uj_, site.intensity_g_per_kwh);
  }
  return footprint;
}

void Job::finish() {
  leave_replica();
  note_figures();  // before the bytes that tell them
  outcome_ = store::UsageStatus::kCompleted;
  const std::string bytes = answer_->finish(usage_, footprint());
  state_ = State::kAnswered;
  context_.metrics.count_answer(dialect_.path(), 200);
  std::vector<net::Header> headers;
  if (answer_->streaming()) {
    start_stream();
    exchange_.write(bytes);
    exchange_.finish();
  } else {
    respond_headers(headers);
    exchange_.respond(200, answer_->content_type(), headers, bytes);
  }
}

void Job::fail(const dialect::ApiError& error, std::optional<std::chrono::nanoseconds> retry_after) {
  cancel_call();
  leave_replica();
  note_figures();
  if (started_answer_ && slot_) {
    exchange_.write(answer_->fail(error));
    exchange_.finish();
    state_ = State::kAnswered;
    context_.metrics.count_answer(dialect_.path(), 200);
    settle(outcome_ == store::UsageStatus::kCancelled ? outcome_ : store::UsageStatus::kFailed);
  } else {
    settle(outcome_ == store::UsageStatus::kCancelled ? outcome_ : store::UsageStatus::kFailed);
    respond_error(error, retry_after);
  }
}

void Job::refuse(const Refusal& refusal) {
  ++context_.metrics.refused_limit;
  using Kind = Refusal::Kind;
  const bool spent = refusal.kind == Kind::kNoQuota || refusal.kind == Kind::kMonthTokens ||
                     refusal.kind == Kind::kMonthMoney;
  respond_error(spent ? dialect::quota_exceeded(refusal.message) : dialect::rate_limited(refusal.message),
                refusal.retry_after);
}

void Job::respond_error(const dialect::ApiError& error, std::optional<std::chrono::nanoseconds> retry_after) {
  leave_room();
  if (reservation_ && !slot_) {
    context_.limiter.release(*reservation_, context_.loop.now());
    reservation_.reset();
  }
  state_ = State::kAnswered;
  if (started_answer_) {  // a stream that has only waited
    context_.metrics.count_answer(dialect_.path(), 200);
    exchange_.write(answer_->fail(error));
    return exchange_.finish();
  }
  context_.metrics.count_answer(dialect_.path(), error.status);
  std::vector<net::Header> headers;
  respond_headers(headers);
  std::string retry_text, retry_ms_text;
  if (!retry_after && error.status == 503) retry_after = std::chrono::seconds{1};
  if (retry_after) {
    retry_text = fmt::to_string(
        std::max<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(*retry_after).count(), 1));
    retry_ms_text = fmt::to_string(std::chrono::ceil<std::chrono::milliseconds>(*retry_after).count());
    headers.push_back({"retry-after", retry_text});
    headers.push_back({"retry-after-ms", retry_ms_text});
  } else if (error.status == 429) {
    headers.push_back({"x-should-retry", "false"});  // waiting does not help
  }
  exchange_.respond(error.status, "application/json", headers,
                    dialect_.render_error(error, {.request_id = request_id_, .model = endpoint_}));
}

void Job::settle(store::UsageStatus status) {
  if (!slot_) return;
  const auto sequence = context_.journal.settle(*slot_, status, context_.clock.now());
  slot_.reset();
  context_.limiter.settle(*reservation_, usage_.input + usage_.output, cost(), sequence, context_.loop.now());
  reservation_.reset();
  Metrics& metrics = context_.metrics;
  metrics.input_tokens += usage_.input;
  metrics.cached_tokens += usage_.cached;
  metrics.output_tokens += usage_.output;
  metrics.cost_microeur += cost();
  if (energy_uj_ > 0) {
    metrics.energy_uj += energy_uj_;
    metrics.co2e_ug += energy::co2e_ug(energy_uj_, context_.policy.site().intensity_g_per_kwh);
  }
  switch (status) {
    case store::UsageStatus::kCompleted:
      ++metrics.completed;
      break;
    case store::UsageStatus::kCancelled:
      ++metrics.cancelled;
      break;
    case store::UsageStatus::kFailed:
      ++metrics.failed;
      break;
  }
}

}  // namespace millrace::gateway
