"""The catalogue of accelerators, and which kinds suit which work."""
import twin_case


class Accelerators(twin_case.Case):
    def kinds(self, *options):
        return [row["kind"] for row in self.json("accelerators", *options)["accelerators"]]

    def test_every_row_names_its_source_and_unknown_is_null(self):
        rows = {row["kind"]: row for row in self.json("accelerators")["accelerators"]}
        self.assertTrue(all(row["source"] for row in rows.values()))
        self.assertEqual({row["vendor"] for row in rows.values()}, {"nvidia", "amd", "intel", "huawei"})
        h100 = rows["nvidia-h100-sxm"]
        self.assertEqual((h100["memory_bytes"], h100["compute_tflops_bf16"], h100["memory_bandwidth_gb_per_s"],
                          h100["interconnect_gb_per_s"], h100["power_max_w"]), (80 << 30, 989, 3350, 450, 700))
        self.assertIsNone(h100["power_idle_w"])
        self.assertIsNone(rows["nvidia-h20"]["power_max_w"])

    def test_bandwidth_rich_chips_come_first_for_decode_and_last_for_training(self):
        decode, training = self.kinds("--work", "decode"), self.kinds("--work", "training")
        self.assertEqual(sorted(decode), sorted(self.kinds()))
        for kind in ("nvidia-h20", "amd-mi308x"):
            self.assertLess(decode.index(kind), 3)
            self.assertGreaterEqual(training.index(kind), len(training) - 5)

    def test_an_unknown_work_is_told_as_such(self):
        self.assertIn("prefill, decode or training", self.twin("accelerators", "--work", "mining", code=2).stderr)


twin_case.main()
