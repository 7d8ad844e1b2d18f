// SPDX-License-Identifier: Apache-2.0
// tokenize_tool MODEL CASES IDS: reads a .gguf or tokenizer.json and encodes every case, for the
// parity test. CASES: per case a u32 length (little-endian) and that many bytes. IDS: per case a
// u32 count and that many i32 ids, without the tokens that add_special adds.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/core/bytes.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {
namespace {

Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& path) {
  if (!path.ends_with(".gguf")) return Tokenizer::from_json(path);
  const auto gguf = SLUICE_TRY(GgufFile::open(path));
  return Tokenizer::from_gguf(*gguf);
}

Status encode_cases(const std::string& model, const char* cases, const char* ids_path) {
  const auto tokenizer = SLUICE_TRY(open_tokenizer(model));
  std::ifstream input(cases, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(input), {}};
  ByteReader reader(as_bytes(bytes));
  ByteWriter writer;
  const auto begin = std::chrono::steady_clock::now();
  while (reader.remaining() > 0) {
    const std::string text = SLUICE_TRY(reader.get_string());
    const auto ids = tokenizer->encode(text, {.add_special = false});
    writer.put_array(std::span<const TokenId>(ids));
  }
  const std::chrono::duration<double> time_s = std::chrono::steady_clock::now() - begin;
  std::ofstream output(ids_path, std::ios::binary);
  output.write(reinterpret_cast<const char*>(writer.bytes().data()),
               static_cast<std::streamsize>(writer.bytes().size()));
  std::printf("%.1f MB/s\n", static_cast<double>(bytes.size()) / time_s.count() / 1e6);
  return {};
}

}  // namespace
}  // namespace sluice::runtime

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto status = sluice::runtime::encode_cases(argv[1], argv[2], argv[3]);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
