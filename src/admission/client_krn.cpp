#include "admission/client_krn.hpp"

#include <re2/re2.h>
#include <simdjson.h>

namespace pebbles::admission {
namespace {

// Counted repetitions of Unicode classes are large automata: the default pattern needs about 1 MiB of this. What the
// automaton builds while matching is thrown away and begun again when it reaches the bound.
constexpr std::int64_t memory_bytes_max = 8L << 20;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

re2::RE2::Options options() {
  re2::RE2::Options out{re2::RE2::Quiet};  // errors are ours to tell
  out.set_encoding(re2::RE2::Options::EncodingUTF8);
  out.set_never_capture(true);
  out.set_max_mem(memory_bytes_max);
  return out;
}

}  // namespace

struct ClientKrnRule::Compiled {
  explicit Compiled(std::string_view pattern) : regex{piece(pattern), options()} {}
  re2::RE2 regex;
};

ClientKrnRule::ClientKrnRule(std::unique_ptr<const Compiled> compiled) : compiled_{std::move(compiled)} {}
ClientKrnRule::ClientKrnRule(ClientKrnRule&&) noexcept = default;
ClientKrnRule& ClientKrnRule::operator=(ClientKrnRule&&) noexcept = default;
ClientKrnRule::~ClientKrnRule() = default;

Result<ClientKrnRule> ClientKrnRule::compile(std::string_view pattern) {
  auto compiled = std::make_unique<const Compiled>(pattern);
  if (!compiled->regex.ok()) return failure(Errc::invalid_argument, compiled->regex.error());
  return ClientKrnRule{std::move(compiled)};
}

bool ClientKrnRule::accepts(std::string_view name) const {
  if (name.empty() || name.size() > client_krn_bytes_max) return false;
  // RE2 lets a class such as [^/] match the encodings of lone surrogates, and \C any byte: only UTF-8 gets that far.
  if (!simdjson::validate_utf8(name.data(), name.size())) return false;
  return re2::RE2::FullMatch(piece(name), compiled_->regex);
}

}  // namespace pebbles::admission
