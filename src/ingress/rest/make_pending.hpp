#pragma once
#include <optional>
#include <string>
#include <utility>

#include "admission/update.hpp"
#include "ingest/pending.hpp"

namespace pebbles::rest {

/// A valid update on its way, but for who sends it, when, the id that its file gets if it is new, and its ack.
/// `key` is what its sender knows it by.
[[nodiscard]] inline ingest::Pending make_pending(domain::ClientKrn client, admission::Update update,
                                                  const std::optional<std::string>& key) {
  domain::Report report;
  if (key) report.key = admission::make_key("p:", *key, update.what);
  report.channel = domain::Channel::rest;
  report.what = std::move(update.what);
  return {.stream = {.client = std::move(client), .filename = std::move(update.filename)},
          .command = std::move(report),
          .ack = {}};
}

}  // namespace pebbles::rest
