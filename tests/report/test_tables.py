import json

import pytest

from fastconv.errors import InvalidArgumentError
from fastconv.problem import DIRECTIONS
from fastconv.report.tables import load_layers, read_table, table_names

# Convolutions in each network, as the papers have them.
CONVOLUTIONS = {"resnet50": 53, "vgg16": 13, "mobilenet_v1": 27, "cifar": 20, "mixed": 15, "sweep": 116}
ROW = {"name": "a", "C": 4, "H": 8, "W": 9, "K": 6, "k": 3}


def table(**changes):
    return json.dumps([ROW, {**ROW, "name": "b", **changes}])


def test_shipped_tables_are_those_that_are_documented():
    assert set(table_names()) == set(CONVOLUTIONS)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_shipped_tables_have_the_networks_convolutions(name):
    assert sum(layer.occurrences for layer in load_layers(name)) == CONVOLUTIONS[name]


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_layer_names_of_a_shipped_table_differ(name):
    names = [layer.name for layer in load_layers(name)]
    assert len(set(names)) == len(names)


def test_resnet50_has_the_operations_of_the_paper():
    flops = sum(layer.occurrences * layer.problem.flops for layer in load_layers("resnet50"))
    assert flops == pytest.approx(8.2e9, rel=0.02)


def test_every_field_reaches_the_problem():
    text = table(C=8, K=16, k=[3, 5], s=[2, 1], p=[1, 2], d=[1, 2], g=2, N=3, n=4)
    layer = read_table(text, "t")[1]
    assert str(layer.problem) == "3x8x8x9,16x3x5,s2x1,p1x2,d1x2,g2"
    assert (layer.name, layer.occurrences) == ("b", 4)


def test_options_replace_the_batch_and_set_the_type_and_format():
    (layer,) = load_layers("resnet50", only="^conv1 ", batch=7, dtype="float64", memory_format="nhwc", direction="input_grad")
    p = layer.problem
    assert (p.batch, p.dtype, p.memory_format, p.direction) == (7, "float64", "nhwc", "input_grad")


def test_train_gives_each_layer_in_three_directions():
    layers = load_layers("vgg16", direction="train")
    assert [layer.problem.direction for layer in layers[:3]] == list(DIRECTIONS)
    assert len(layers) == 3 * len(load_layers("vgg16"))


def test_only_matches_names_and_shapes():
    assert [layer.name for layer in load_layers("mixed", only="31x31,p")] == ["dw_31x31"]
    assert [layer.name for layer in load_layers("mixed", only="^res_")] == ["res_5x5"]


def test_a_shape_is_one_layer():
    (layer,) = load_layers("1x4x8x8,4x3x3,p1")
    assert (layer.occurrences, str(layer.problem)) == (1, "1x4x8x8,4x3x3,p1")


def test_a_layer_without_a_name_is_called_by_its_number():
    row = {key: value for key, value in ROW.items() if key != "name"}
    assert [layer.name for layer in read_table(json.dumps([ROW, row]), "t")] == ["a", "#2"]


def test_a_file_is_read(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"title": "t", "source": "s", "layers": [ROW]}))
    assert [layer.name for layer in load_layers(str(path))] == ["a"]


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"K": "6"}, "K"), ({"K": 0}, "K"), ({"H": 2.5}, "H"), ({"W": True}, "W"), ({"C": None}, "C"), ({"C": [1, 2]}, "C"),
        ({"k": [3, 3, 3]}, "k"), ({"k": []}, "k"), ({"s": 0}, "s"), ({"p": -1}, "p"), ({"p": "same"}, "p"),
        ({"d": [1, 0]}, "d"),
        ({"g": 3}, "g"), ({"N": -1}, "N"), ({"n": 0}, "n"), ({"stride": 2}, "stride"), ({"name": 3}, "name"),
    ],
)  # fmt: skip
def test_a_malformed_field_is_named_with_its_row(changes, field):
    with pytest.raises(InvalidArgumentError, match=rf"t row 2.*field {field}\b"):
        read_table(table(**changes), "t")


@pytest.mark.parametrize("field", ["C", "H", "W", "K", "k"])
def test_a_missing_field_is_named_with_its_row(field):
    row = {key: value for key, value in ROW.items() if key != field}
    with pytest.raises(InvalidArgumentError, match=rf"t row 1 \(a\), field {field}: missing"):
        read_table(json.dumps([row]), "t")


def test_a_layer_that_no_convolution_can_have_is_named():
    with pytest.raises(InvalidArgumentError, match=r"t row 2 \(b\): w: the kernel spans"):
        read_table(table(k=11), "t")


@pytest.mark.parametrize("text", ["", "{", "3", "[]", "{}", '{"layers": []}', "[3]", "[null]", "[[1]]"])
def test_what_is_not_a_table_is_refused(text):
    with pytest.raises(InvalidArgumentError, match=r"^table: t"):
        read_table(text, "t")


@pytest.mark.parametrize("source", ["resnet51", "no/such.json", "1x2", ""])
def test_a_source_that_means_nothing_is_refused(source):
    with pytest.raises(InvalidArgumentError):
        load_layers(source)


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "net.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgumentError, match="cannot read"):
        load_layers(str(path))


@pytest.mark.parametrize("only", ["nothing like it", "("])
def test_a_filter_that_leaves_nothing_is_refused(only):
    with pytest.raises(InvalidArgumentError, match=r"^only"):
        load_layers("vgg16", only=only)


def test_an_unknown_direction_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"^direction"):
        load_layers("vgg16", direction="backward")
