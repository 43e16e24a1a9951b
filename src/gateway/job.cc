#include "gateway/job.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/dialect/errors.h"

namespace millrace::gateway {
namespace {

/// Output that a request without a maximum is expected to make, for the load of a replica only.
constexpr std::int64_t kExpectedOutputTokens = 256;
constexpr std::int64_t kBytesPerToken = 4;
/// Of the client's own id: more than the journal keeps, which cuts at a character.
constexpr std::size_t kClientRequestIdBytes = 80;
/// What a chat template may add for each message and once, in tokens; for estimates where no engine counts.
constexpr std::int64_t kTokensPerMessage = 8;
constexpr std::int64_t kTokensPerPrompt = 64;
/// What a tokenizer may add to a text of its own: beginning, end, and a space before it.
constexpr std::int64_t kTokensPerText = 4;

dialect::ApiError wrong_task(const identity::EndpointPolicy& endpoint, bool wants_embedding) {
  return {400, "invalid_request_error", "unsupported_model", "model",
          wants_embedding
              ? fmt::format("endpoint '{}' generates text; it does not answer embeddings", endpoint.name)
              : fmt::format("endpoint '{}' answers embeddings only", endpoint.name)};
}

}  // namespace

Job::Job(Context& context, net::Exchange& exchange, const dialect::Dialect& dialect,
         const identity::KeyPolicy& key, std::string request_id, TimePoint now)
    : context_(context),
      exchange_(exchange),
      dialect_(dialect),
      request_id_(std::move(request_id)),
      key_id_(key.id),
      tenant_(key.tenant),
      project_(key.project),
      started_at_(now),
      started_(context.loop.now()),
      job_index_(context.jobs.size()) {
  context_.jobs.push_back(this);
  auto given = exchange.head().find("x-client-request-id");
  if (!given) given = exchange.head().find("x-request-id");
  if (given) client_request_id_ = given->substr(0, kClientRequestIdBytes);
}

Job::~Job() {
  on_closed();
  context_.jobs[job_index_] = context_.jobs.back();
  context_.jobs[job_index_]->job_index_ = job_index_;
  context_.jobs.pop_back();
}

void Job::run(std::string_view body) {
  auto parsed = dialect_.parse(body);
  if (!parsed) return respond_error(parsed.error(), std::nullopt);
  parsed_ = std::make_unique<dialect::ParsedRequest>(std::move(*parsed));
  effort_member_ = parsed_->effort_member;
  exchange_.release_request();
  prompt_bytes_ = static_cast<std::int64_t>(engine::prompt_bytes(parsed_->request));
  if (auto error = find_target()) return respond_error(*error, std::nullopt);
  const auto* key = context_.policy.key(key_id_);
  if (key == nullptr) return respond_error(dialect::invalid_key(), std::nullopt);
  if (context_.room.count(endpoint_) == 0 && choose_replica()) return go_on(*key);
  wait(*key);
}

/// A local endpoint that may get more replicas does not queue at those it has: the next one may be there first.
bool Job::choose_replica() {
  const auto* endpoint = context_.policy.endpoint(endpoint_);
  if (endpoint == nullptr) return false;
  const bool may_grow = use_ != nullptr && context_.pool.count(endpoint_) < endpoint->max_replicas;
  // Anew if there was no replica yet: the size of a block follows from its context.
  if (!prompt_ || prompt_->blocks.empty()) prompt_ = context_.pool.prompt_of(*endpoint, parsed_->request);
  replica_ = context_.pool.choose(endpoint_, *prompt_, !may_grow);
  return replica_ != nullptr;
}

/// Why no replica will come for it.
std::optional<dialect::ApiError> Job::hopeless() const {
  const auto* endpoint = context_.policy.endpoint(endpoint_);
  if (endpoint == nullptr) return dialect::model_not_found(endpoint_);
  if (use_ == nullptr || context_.pool.count(endpoint_) > 0) return std::nullopt;
  if (endpoint->max_replicas == 0)
    return dialect::overloaded(
        fmt::format("endpoint '{}' is stopped: no replica of it is wanted", endpoint_));
  if (!endpoint->trouble.empty())
    return dialect::overloaded(fmt::format("endpoint '{}' has no replica: {}", endpoint_, endpoint->trouble));
  return std::nullopt;
}

/// Limits are asked first: who may not run starts no replica. What is held meanwhile is an estimate.
void Job::wait(const identity::KeyPolicy& key) {
  if (const auto error = hopeless()) return respond_error(*error, std::nullopt);
  const auto* endpoint = context_.policy.endpoint(endpoint_);
  const auto replicas = context_.pool.count(endpoint_);
  if (use_ == nullptr || replicas >= std::max(endpoint->max_replicas, 1)) {
    return respond_error(
        dialect::overloaded(fmt::format("every replica of '{}' is full; retry soon", endpoint_)),
        std::nullopt);
  }
  if (const auto refusal = reserve(key, prompt_bytes_ / kBytesPerToken)) return refuse(*refusal);
  state_ = State::kWaiting;
  const auto until = context_.loop.now() + std::chrono::seconds(endpoint->start_timeout_s);
  if (!context_.room.enter(*this, endpoint_, until)) {
    return respond_error(
        dialect::overloaded(fmt::format("{} requests wait for a replica of '{}' already; retry later",
                                        WaitRoom::kMost, endpoint_)),
        std::nullopt);
  }
  // Where replicas are there and only full, it is a matter of moments, and errors are better told by a status.
  if (replicas == 0) still_waiting();
}

void Job::still_waiting() {
  if (!parsed_->request.stream) return;
  if (answer_ == nullptr) make_answer();
  start_stream();
  exchange_.write(": waiting for a replica\n\n");
}

bool Job::try_replica() {
  if (const auto error = hopeless()) {
    state_ = State::kNew;
    respond_error(*error, std::nullopt);
    return true;
  }
  if (!choose_replica()) return false;
  context_.limiter.release(*reservation_, context_.loop.now());
  reservation_.reset();
  state_ = State::kNew;
  const auto* key = context_.policy.key(key_id_);
  if (key == nullptr) {
    respond_error(dialect::invalid_key(), std::nullopt);
  } else {
    go_on(*key);
  }
  return true;
}

void Job::waited_in_vain() {
  const auto* endpoint = context_.policy.endpoint(endpoint_);
  std::string text = fmt::format("no replica of '{}' became ready in ", endpoint_);
  text += endpoint != nullptr ? fmt::format("{} s", endpoint->start_timeout_s) : "time";
  if (endpoint != nullptr) {
    const std::string& why = endpoint->trouble.empty() ? endpoint->hold : endpoint->trouble;
    if (!why.empty()) text += ": " + why;
  }
  text += fmt::format("; see millrace endpoint show {}", endpoint_);
  respond_error(dialect::overloaded(text), std::chrono::seconds{10});
}

void Job::leave_room() {
  if (state_ == State::kWaiting) context_.room.leave(*this, endpoint_);
}

void Job::go_on(const identity::KeyPolicy& key) {
  if (!count_prompt(key)) admit(key, prompt_tokens_at_most());
}

/// Never below the true count: a token is at least one byte of text (byte-level vocabularies). Only a conversation has a
/// template around it.
std::int64_t Job::prompt_tokens_at_most() const {
  const engine::Request& request = parsed_->request;
  const auto texts = static_cast<std::int64_t>(request.prompts.size() + request.inputs.size());
  if (request.task != engine::Task::kChat) return prompt_bytes_ + kTokensPerText * texts;
  return prompt_bytes_ + kTokensPerPrompt +
         kTokensPerMessage * static_cast<std::int64_t>(request.messages.size());
}

std::optional<dialect::ApiError> Job::find_target() {
  const engine::Request& request = parsed_->request;
  const auto* endpoint = context_.policy.endpoint(request.endpoint);
  if (endpoint == nullptr) return dialect::model_not_found(request.endpoint);
  const bool wants_embedding = request.task == engine::Task::kEmbed;
  if (wants_embedding ? !(endpoint->embeds || endpoint->upstream_embeds) : endpoint->embeds) {
    return wrong_task(*endpoint, wants_embedding);
  }
  const auto adapter = context_.adapters.find(endpoint->engine);
  if (adapter == context_.adapters.end()) {
    return dialect::engine_failed(
        fmt::format("endpoint '{}' names the engine '{}', which this gateway does not know", endpoint->name,
                    endpoint->engine));
  }
  adapter_ = adapter->second;
  endpoint_ = endpoint->name;
  model_ = endpoint->model.empty() ? endpoint->name : endpoint->model;
  if (const auto* price = context_.policy.price(model_)) {
    price_ = {price->version, price->input_microeur_per_mtok, price->output_microeur_per_mtok};
  }
  if (endpoint->upstream_url.empty()) {
    use_ = &context_.use[endpoint_];
    use_->begin();
  }
  return std::nullopt;
}

/// Starts to ask the engine for the exact count, if a limit needs it and the engine can tell. False: go on without.
bool Job::count_prompt(const identity::KeyPolicy& key) {
  if (!context_.limiter.needs_token_count(context_.policy, key)) return false;
  const auto call = adapter_->render_count(parsed_->request, replica_->target);
  if (!call) return false;
  state_ = State::kCounting;
  send_call(*call);
  return true;
}

void Job::counted(std::optional<std::int64_t> tokens) {
  count_body_.clear();
  state_ = State::kNew;
  const auto* key = context_.policy.key(key_id_);
  if (key == nullptr) return respond_error(dialect::invalid_key(), std::nullopt);
  admit(*key, tokens.value_or(prompt_tokens_at_most()));
}

/// nullopt: `reservation_` is held.
std::optional<Refusal> Job::reserve(const identity::KeyPolicy& key, std::int64_t prompt_tokens) {
  const engine::Request& request = parsed_->request;
  const auto context_tokens = replica_ != nullptr ? replica_->target.context_tokens : 0;
  const bool generates = request.task != engine::Task::kEmbed;
  const std::int64_t answers = engine::choice_count(request);
  const std::int64_t prompts = answers / request.sampling.choices;
  std::optional<std::int64_t> output = generates ? request.sampling.max_tokens : 0;
  if (output) *output *= answers;
  const Demand demand{.prompt_tokens = prompt_tokens,
                      .max_output_tokens = output,
                      .answers = answers,
                      .output_ceiling = context_tokens > 0
                                            ? std::max(context_tokens * prompts - prompt_tokens, prompts) *
                                                  request.sampling.choices
                                            : 0,  // each prompt has a context of its own
                      .input_microeur_per_mtok = price_.input_microeur_per_mtok,
                      .output_microeur_per_mtok = price_.output_microeur_per_mtok};
  auto reservation = context_.limiter.reserve(context_.policy, key, demand, started_at_, context_.loop.now());
  if (!reservation) return reservation.error();
  reservation_ = std::move(*reservation);
  return std::nullopt;
}

void Job::admit(const identity::KeyPolicy& key, std::int64_t prompt_tokens) {
  if (const auto refusal = reserve(key, prompt_tokens)) return refuse(*refusal);
  engine::Request& request = parsed_->request;
  if (request.task != engine::Task::kEmbed && reservation_->output_cap)
    request.sampling.max_tokens = *reservation_->output_cap / engine::choice_count(request);
  forward();
}

/// Renders for the chosen replica and sends; the first time it also opens the journal's slot.
void Job::forward() {
  const auto call = adapter_->render(parsed_->request, replica_->target);
  if (!call) {
    if (slot_) return fail(dialect::from_engine(call.error(), dialect_.path(), effort_member_));
    return respond_error(dialect::from_engine(call.error(), dialect_.path(), effort_member_), std::nullopt);
  }
  if (!slot_ && !open_slot()) {
    return respond_error(
        dialect::overloaded("the usage journal is full, since the server has been away for long; "
                            "retry when it is back"),
        std::chrono::seconds{5});
  }
  ++attempts_;
  state_ = State::kForwarding;
  reader_.reset();
  make_answer();
  const std::int64_t cached = prompt_ ? context_.pool.note_sent(*replica_, *prompt_) : 0;
  queued_work_ = std::max<std::int64_t>(prompt_bytes_ / kBytesPerToken - cached, 1) +
                 parsed_->request.sampling.max_tokens.value_or(kExpectedOutputTokens);
  ++replica_->requests;
  replica_->queued_work += queued_work_;
  sent_at_ = context_.loop.now();
  if (use_ != nullptr) {
    use_->sent(sent_at_);
    if (replica_->requests > replica_->slots) context_.load_changed();
  }
  if (context_.pool.read_cpu(*replica_)) {
    meter_key_ = context_.next_meter_key++;
    replica_->meter.begin(meter_key_);
  }
  send_call(*call);
}

void Job::make_answer() {
  answer_ = dialect_.answer(
      *parsed_,
      {.request_id = request_id_,
       .created_s = std::chrono::duration_cast<std::chrono::seconds>(started_at_.time_since_epoch()).count(),
       .model = parsed_->request.endpoint});
}

bool Job::open_slot() {
  const auto& site = context_.policy.site();
  const bool metered = replica_->pid > 0;
  slot_ = context_.journal.open({.request_id = request_id_,
                                 .client_request_id = client_request_id_,
                                 .tenant = tenant_,
                                 .project = project_,
                                 .key_id = key_id_,
                                 .endpoint = endpoint_,
                                 .model = model_,
                                 .site = site.site,
                                 .zone = site.zone,
                                 .energy_model = metered ? std::string_view(site.energy_model) : "",
                                 .basis = metered ? std::string_view(site.basis) : "unknown",
                                 .intensity_g_per_kwh = site.intensity_g_per_kwh,
                                 .price_version = price_.version,
                                 .input_microeur_per_mtok = price_.input_microeur_per_mtok,
                                 .output_microeur_per_mtok = price_.output_microeur_per_mtok,
                                 .started_at = started_at_});
  return slot_.has_value();
}

void Job::send_call(const engine::Call& call) {
  const engine::Target& target = replica_->target;
  std::string request;
  request.reserve(call.body.size() + 256);
  std::string authorization;
  std::array<net::Header, 2> headers{net::Header{"content-type", "application/json"}, {}};
  std::size_t count = 1;
  if (!target.api_key.empty()) {
    authorization = "Bearer " + target.api_key;
    headers[count++] = {"authorization", authorization};
  }
  net::append_request(request, net::Method::kPost, call.path, target.host, std::span(headers).first(count),
                      call.body);
  call_ = context_.client.send(replica_->address, std::move(request), *this);
}

/// The replica does nothing more for this request: its load falls, and the energy is final.
void Job::leave_replica() {
  if (replica_ == nullptr || state_ != State::kForwarding || queued_work_ == 0) return;
  --replica_->requests;
  replica_->queued_work -= queued_work_;
  queued_work_ = 0;
  if (use_ != nullptr) use_->left(context_.loop.now());
  if (!context_.room.empty()) context_.room.let_in_soon(endpoint_);
  if (meter_key_ == 0) return;
  context_.pool.read_cpu(*replica_);
  energy_uj_ = std::max<std::int64_t>(energy_uj_, 0) + replica_->meter.end(meter_key_);
  meter_key_ = 0;
}

void Job::cancel_call() {
  if (call_ == 0) return;
  context_.client.cancel(call_);
  call_ = 0;
}

void Job::on_drain() {
  if (!paused_ || call_ == 0) return;
  paused_ = false;
  context_.client.resume(call_);
}

void Job::on_sent() {
  settle(outcome_);
  context_.metrics.duration.add(std::chrono::duration<double>(context_.loop.now() - started_).count());
}

void Job::on_closed() {
  leave_room();
  cancel_call();
  leave_replica();
  if (slot_) {
    if (state_ != State::kAnswered) note_figures();
    settle(store::UsageStatus::kCancelled);
  } else if (reservation_) {
    context_.limiter.release(*reservation_, context_.loop.now());
    reservation_.reset();
  }
}

void Job::check_key() {
  if (state_ == State::kAnswered || state_ == State::kNew) return;
  const auto* key = context_.policy.key(key_id_);
  if (key != nullptr && (!key->expires || *key->expires > context_.clock.now())) return;
  outcome_ = store::UsageStatus::kCancelled;
  fail(dialect::invalid_key());
}

}  // namespace millrace::gateway
