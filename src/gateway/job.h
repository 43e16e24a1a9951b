// Job: one inference request on its way: parse, admit, send to a replica, pass the answer on, settle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/short_text.h"
#include "gateway/context.h"
#include "gateway/dialect/dialect.h"
#include "net/http_server.h"

namespace millrace::gateway {

/// The limits and times of a RateLimitView, as headers say them: four numbers and two times.
using RateLimitText = ShortText<128>;

/// Lives as the state of its exchange. Whatever happens to the request, once it was admitted its journal slot is
/// settled exactly once, its limits are given back, and the engine's work is cancelled if nobody waits for it.
class Job final : public net::ExchangeState,
                  private net::ResponseHandler,
                  private engine::Sink,
                  private Waiter {
 public:
  /// `key` is who asks; authenticated and allowed already. `request_id` is what the answer will say.
  Job(Context& context, net::Exchange& exchange, const dialect::Dialect& dialect,
      const identity::KeyPolicy& key, std::string request_id, TimePoint now);
  ~Job() override;

  /// The body is whole. Answers at once, or later.
  void run(std::string_view body);

  // Forwarded from the server's handler.
  void on_drain();
  void on_sent();
  void on_closed();

  /// Ends the request if its key is no longer good. Called after each change of policy, and now and then for expiry.
  void check_key();

 private:
  enum class State { kNew, kWaiting, kCounting, kForwarding, kAnswered };
  /// In force when the request began.
  struct Price {
    std::int64_t version = 0, input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
  };

  // net::ResponseHandler
  void on_head(const net::ResponseHead& head) override;
  void on_body(std::string_view bytes) override;
  void on_done() override;
  void on_error(const Error& error, bool any_byte_received) override;

  // engine::Sink
  void on_progress(const engine::Usage& so_far, std::int64_t prompt_total) override;
  void on_text(int choice, std::string_view text) override;
  void on_reasoning(int choice, std::string_view text) override;
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override;
  void on_logprobs(int choice, std::string_view json) override;
  void on_finish(int choice, engine::FinishReason reason) override;
  void on_stop(int choice, std::string_view sequence) override;
  void on_embedding(int index, std::vector<float> values) override;
  void on_usage(const engine::Usage& usage) override;

  // Waiter
  bool try_replica() override;
  void still_waiting() override;
  void waited_in_vain() override;

  std::optional<dialect::ApiError> find_target();
  bool choose_replica();
  std::optional<dialect::ApiError> hopeless() const;
  void wait(const identity::KeyPolicy& key);
  void leave_room();
  void go_on(const identity::KeyPolicy& key);
  void make_answer();
  void start_stream();
  bool count_prompt(const identity::KeyPolicy& key);
  void counted(std::optional<std::int64_t> tokens);
  std::optional<Refusal> reserve(const identity::KeyPolicy& key, std::int64_t prompt_tokens);
  void admit(const identity::KeyPolicy& key, std::int64_t prompt_tokens);
  std::int64_t prompt_tokens_at_most() const;
  bool open_slot();
  void forward();
  void send_call(const engine::Call& call);
  void leave_replica();
  void work_off(std::int64_t tokens);
  void read_engine(std::string_view bytes);
  void pass_on();
  void finish();
  void fail(const dialect::ApiError& error,
            std::optional<std::chrono::nanoseconds> retry_after = std::nullopt);
  void refuse(const Refusal& refusal);
  void respond_error(const dialect::ApiError& error, std::optional<std::chrono::nanoseconds> retry_after);
  void settle(store::UsageStatus status);
  void cancel_call();
  ledger::Figures figures() const;
  void note_figures();
  void respond_headers(std::vector<net::Header>& headers);
  dialect::Footprint footprint() const;
  std::int64_t cost() const;

  Context& context_;
  net::Exchange& exchange_;
  const dialect::Dialect& dialect_;
  const std::string request_id_, key_id_, tenant_, project_;
  std::string client_request_id_;
  const TimePoint started_at_;
  const MonotonicPoint started_;

  State state_ = State::kNew;
  std::size_t job_index_ = 0;                       // in context_.jobs
  std::unique_ptr<dialect::ParsedRequest> parsed_;  // until the engine begins to answer
  std::string endpoint_, model_;                    // endpoint's name; model that is priced and recorded
  Price price_;
  std::int64_t prompt_bytes_ = 0;
  std::string_view effort_member_;  // of parsed_, for errors that come after it is gone
  EndpointUse* use_ = nullptr;      // null: an upstream
  std::optional<Prompt> prompt_;    // made when a replica is first chosen
  std::shared_ptr<Replica> replica_;
  MonotonicPoint sent_at_{};
  const engine::Adapter* adapter_ = nullptr;
  std::uint64_t meter_key_ = 0;  // 0: not metered
  std::optional<Limiter::Reservation> reservation_;
  std::optional<ledger::JournalSlot> slot_;
  net::CallId call_ = 0;  // 0: none in work
  int attempts_ = 0;
  bool paused_ = false;
  std::string count_body_;  // kCounting
  int count_status_ = 0;

  std::unique_ptr<dialect::Answer> answer_;
  std::unique_ptr<engine::Reader> reader_;
  bool prompt_read_ = false;                             // the engine has begun to answer
  std::optional<std::chrono::nanoseconds> retry_after_;  // of an upstream that has refused
  bool first_output_ = false;
  bool started_answer_ = false;
  std::int64_t queued_work_ = 0;
  engine::Usage usage_;
  std::int64_t energy_uj_ = ledger::kEnergyUnknown;
  store::UsageStatus outcome_ = store::UsageStatus::kFailed;  // of an answer that is being sent
  RateLimitText headers_text_;                                // backs the header views while an answer starts
};

}  // namespace millrace::gateway
