// First steps: what `up` does once Millrace answers: the default model, its endpoints, and a first question.
#pragma once

#include "cli/client.h"
#include "core/result.h"

namespace millrace::apps {

/// Imports the default model if there is none of its name, gives it a price if it has none, and creates the endpoints "smollm2" (answers) and
/// "smollm2-embed" (embeds) that are missing; waits until they are ready. Tells each step on stderr.
/// MILLRACE_MODEL_FILE names another GGUF to serve under that name.
Result<void> make_defaults(const cli::Client& client);

/// Asks the default endpoint a question: question, answer, prompt_tokens, completion_tokens, tokens_per_s, energy_j, basis,
/// co2e_g, zone, cost_eur.
Result<boost::json::value> ask_first_question(const cli::Client& client);
void print_first_answer(const boost::json::value& first);

}  // namespace millrace::apps
