"""Operations are told apart by their names."""

import pytest

from benchmarks.performance.profile import OUTSIDE, Operation, by_kind, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::mm", "matrix products"),
        ("aten::mkldnn_linear", "matrix products"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("aten::_softmax", "attention"),
        ("aten::_fused_adam_", "optimiser"),
        ("aten::_to_copy", "casts and copies"),
        ("aten::embedding_dense_backward", "table of tokens"),
        ("aten::native_layer_norm_backward", "norms"),
        ("aten::gelu_backward", "activations"),
        ("aten::native_dropout", "dropout"),
        ("aten::binary_cross_entropy_with_logits", "loss"),
        ("aten::add_", "sums and products by element"),
        ("aten::empty", "other operations"),
    ],
)
def test_an_operation_is_of_a_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_kinds_add_up_to_the_whole_step() -> None:
    operations = [Operation("aten::mm", 2.0, 4), Operation("aten::addmm", 1.0, 1), Operation("aten::gelu", 0.5, 2)]
    assert by_kind(operations, wall=4.0) == [("matrix products", 3.0, 5), ("activations", 0.5, 2), (OUTSIDE, 0.5, 0)]
