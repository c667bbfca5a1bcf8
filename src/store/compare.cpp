#include "store/compare.hpp"

namespace pebbles::store {

std::optional<std::string> difference(const Snapshot& kept, const Snapshot& folded) {
  std::string names;
  const auto compare = [&](std::string_view name, const auto& a, const auto& b) {
    if (a == b) return;
    if (!names.empty()) names += ", ";
    names += name;
  };
  const auto& a = kept.progress;
  const auto& b = folded.progress;
  compare("clientKrn", kept.stream.client, folded.stream.client);
  compare("filename", kept.stream.filename, folded.stream.filename);
  compare("version", a.version, b.version);
  compare("born", a.born, b.born);
  compare("id", a.id, b.id);
  compare("owner", a.owner, b.owner);
  compare("counts", a.counts, b.counts);
  compare("total", a.total, b.total);
  compare("completed", a.completed, b.completed);
  compare("createdAt", a.created_at, b.created_at);
  compare("updatedAt", a.updated_at, b.updated_at);
  compare("completedAt", a.completed_at, b.completed_at);
  compare("errors", a.errors, b.errors);
  compare("warnings", a.warnings, b.warnings);
  compare("positions", a.positions, b.positions);
  compare("head", kept.head, folded.head);
  if (names.empty()) return std::nullopt;
  return names + (names.contains(',') ? " differ" : " differs");
}

}  // namespace pebbles::store
