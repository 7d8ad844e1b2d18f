// SPDX-License-Identifier: Apache-2.0
// golden_writer FOLDER: adds the frames that FOLDER lacks, and their digests to its decoded.txt.
// What is there stays.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/kernels/pipeline/golden_frames.hpp"

int main(int count, char** arguments) {
  using namespace sluice;
  if (count != 2) {
    std::fprintf(stderr, "usage: golden_writer FOLDER\n");
    return 2;
  }
  const std::string folder = std::string(arguments[1]) + "/";
  std::ofstream digests(folder + "decoded.txt", std::ios::app);
  const kernels::FrameDecoder decoder(tests::KvFixture(tests::golden_spec()).shape(), nullptr);
  for (const tests::GoldenFrame& frame : tests::make_golden_frames()) {
    const std::string path = folder + frame.name + ".frame";
    if (std::filesystem::exists(path)) continue;
    tests::KvFixture target = tests::empty_cache(tests::golden_spec());
    if (!tests::decode_layers(decoder, frame.bytes, target)) return 1;
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(frame.bytes.data()),
               static_cast<std::streamsize>(frame.bytes.size()));
    digests << frame.name << " " << std::hex << tests::cache_digest(target) << "\n";
    std::printf("%s\n", frame.name.c_str());
  }
  return digests.good() ? 0 : 1;
}
