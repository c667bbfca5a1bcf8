#include "store/kept_heads.hpp"

#include <fmt/core.h>

#include "base/hex.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"

namespace pebbles::store {

Result<KeptHeads> KeptHeads::parse(std::string_view lines) {
  KeptHeads out;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    simdjson::dom::object object;
    std::string_view client, filename, hash;
    Head head;
    const bool good = !json::parse(line).get(object) && !object["clientKrn"].get(client) &&
                      !object["filename"].get(filename) && !object["version"].get(head.version) &&
                      !object["first"].get(head.chunk.first) && !object["hash"].get(hash) &&
                      hash.size() == 2 * head.chunk.hash.size() && from_hex(hash, head.chunk.hash);
    if (!good) return failure(Errc::invalid_argument, fmt::format("line {} is not a head", number));
    const StreamId stream{domain::ClientKrn{std::string{client}}, domain::Filename{std::string{filename}}};
    out.heads_.insert_or_assign(stream, head);
  }
  return out;
}

void KeptHeads::saw(const StreamId& stream, const Chunk& chunk) {
  if (heads_.empty()) return;
  const auto known = heads_.find(stream);
  if (known == heads_.end()) return;
  auto& head = known->second;
  const auto& last = chunk.events.back();
  if (std::holds_alternative<domain::Baseline>(last.what) && last.version > head.version) {
    head.found = Found::cut;
  } else if (last.version == head.version) {
    head.found = head_behind(chunk) == head.chunk ? Found::same : Found::other;
  }
}

std::optional<std::string> KeptHeads::conclude(const StreamId& stream, Version version) {
  const auto known = heads_.find(stream);
  if (known == heads_.end()) return std::nullopt;
  const auto head = known->second;
  heads_.erase(known);
  switch (head.found) {
    case Found::same: return std::nullopt;
    case Found::cut: ++cut_; return std::nullopt;
    case Found::other: return fmt::format("version {}: the chunk is not the one whose head was kept", head.version);
    case Found::nothing: break;
  }
  if (version < head.version)
    return fmt::format("the log ends at version {}, the head that was kept is of version {}", version, head.version);
  return fmt::format("version {}: no chunk ends where the one whose head was kept did", head.version);
}

std::vector<StreamId> KeptHeads::left() const {
  std::vector<StreamId> out;
  out.reserve(heads_.size());
  for (const auto& [stream, head] : heads_) out.push_back(stream);
  return out;
}

void append_head(std::string& out, const Snapshot& state) {
  out += R"({"clientKrn":)";
  json::append_string(out, *state.stream.client);
  out += R"(,"filename":)";
  json::append_string(out, *state.stream.filename);
  out += R"(,"version":)";
  json::append_integer(out, state.progress.version);
  out += R"(,"first":)";
  json::append_integer(out, state.head.first);
  out += R"(,"hash":")";
  append_hex(out, state.head.hash);
  out += "\"}\n";
}

}  // namespace pebbles::store
