//! What the keys of a `config.json` come to, and which are refused.

use super::*;

const LLAMA: &str = r#"{"model_type": "llama", "hidden_act": "silu", "vocab_size": 512,
    "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5,
    "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": [2, 9], "rope_scaling": null}"#;
const BERT: &str = r#"{"model_type": "bert", "hidden_act": "gelu", "vocab_size": 100,
    "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 12, "max_position_embeddings": 64, "layer_norm_eps": 1e-12}"#;
const DISTILBERT: &str = r#"{"model_type": "distilbert", "activation": "gelu", "vocab_size": 100,
    "dim": 48, "hidden_dim": 96, "n_layers": 2, "n_heads": 12, "max_position_embeddings": 64,
    "sinusoidal_pos_embds": false}"#;
const DEBERTA: &str = r#"{"model_type": "deberta-v2", "hidden_act": "gelu", "vocab_size": 100,
    "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6,
    "max_position_embeddings": 512, "type_vocab_size": 0, "relative_attention": true,
    "position_buckets": 256, "max_relative_positions": -1, "norm_rel_ebd": "layer_norm",
    "share_att_key": true, "pos_att_type": "p2c|c2p", "position_biased_input": false,
    "pooler_hidden_act": "gelu", "pooler_hidden_size": 48, "layer_norm_eps": 1e-7}"#;

fn parse(text: &str) -> Result<ModelConfig, EngineError> {
    ModelConfig::parse(Path::new("dir/config.json"), text.as_bytes())
}

fn decoder(text: &str) -> DecoderConfig {
    match parse(text).unwrap() {
        ModelConfig::Decoder(config) => config,
        ModelConfig::Encoder(_) => panic!("an encoder"),
    }
}

fn encoder(text: &str) -> EncoderConfig {
    match parse(text).unwrap() {
        ModelConfig::Encoder(config) => config,
        ModelConfig::Decoder(_) => panic!("a decoder"),
    }
}

fn with(text: &str, key: &str, value: &str) -> String {
    let mut keys: Map<String, Value> = serde_json::from_str(text).unwrap();
    keys.insert(key.into(), serde_json::from_str(value).unwrap());
    Value::Object(keys).to_string()
}

fn family(text: &str, name: &str) -> String {
    with(text, "model_type", &format!("\"{name}\""))
}

#[test]
fn llama_and_bert_parse() {
    let llama = decoder(LLAMA);
    assert_eq!((llama.head_dim, llama.n_kv_heads, llama.rope_theta), (8, 4, 10_000.0));
    assert_eq!((llama.bos_token_id, llama.eos_token_id), (Some(1), Some(2)));
    assert!(!llama.tied_embeddings && !llama.qkv_bias && !llama.query_key_norm);
    assert_eq!((llama.rope_scaling, llama.sliding_window), (None, None));
    let bert = encoder(BERT);
    assert_eq!((bert.type_vocab_size, bert.layer_norm_eps), (2, 1e-12));
    assert_eq!((bert.first_position, bert.activation), (0, Activation::Gelu));
    assert!(bert.has_segments());
}

#[test]
fn llama_may_have_biases() {
    let config = decoder(&with(&with(LLAMA, "attention_bias", "true"), "mlp_bias", "true"));
    assert!(config.qkv_bias && config.output_bias && config.mlp_bias);
}

#[test]
fn both_spellings_of_scaled_positions_mean_the_same() {
    let llama3 = r#"{"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#;
    let expected = RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_positions: 8192,
    };
    let old = decoder(&with(&with(LLAMA, "rope_scaling", llama3), "rope_theta", "5e5"));
    assert_eq!((old.rope_theta, old.rope_scaling), (5e5, Some(expected)));
    let new = with(LLAMA, "rope_parameters", &with(llama3, "rope_theta", "5e5"));
    assert_eq!(decoder(&new), old);
    // As transformers 5.24: the older of two, and the length at the top of the file.
    let two = with(&new, "rope_scaling", r#"{"rope_type": "linear", "factor": 2}"#);
    assert_eq!(decoder(&two).rope_scaling, Some(RopeScaling::Linear { factor: 2.0 }));
    assert_eq!(decoder(&with(&new, "rope_scaling", "{}")), old);
    let above = decoder(&with(&new, "original_max_position_embeddings", "64"));
    let Some(RopeScaling::Llama3 { original_max_positions, .. }) = above.rope_scaling else {
        panic!("llama3")
    };
    assert_eq!(original_max_positions, 64);
    let linear = decoder(&with(LLAMA, "rope_scaling", r#"{"type": "linear", "factor": 2}"#));
    assert_eq!(linear.rope_scaling, Some(RopeScaling::Linear { factor: 2.0 }));
    let plain = r#"{"rope_type": "default", "rope_theta": 1e6}"#;
    let plain = decoder(&with(LLAMA, "rope_parameters", plain));
    assert_eq!((plain.rope_theta, plain.rope_scaling), (1e6, None));
}

#[test]
fn windows_are_read_as_each_family_means_them() {
    let mistral = family(&with(LLAMA, "sliding_window", "16"), "mistral");
    assert_eq!(decoder(&mistral).window(0), Some(16));
    assert_eq!(decoder(&with(&mistral, "sliding_window", "null")).window(4), None);
    // Llama has no such key; Qwen has it but does not use it unless told.
    assert_eq!(decoder(&with(LLAMA, "sliding_window", "16")).sliding_window, None);
    let qwen = family(&with(LLAMA, "sliding_window", "16"), "qwen2");
    assert_eq!(decoder(&qwen).sliding_window, None);
    let used = with(&qwen, "use_sliding_window", "true");
    assert_eq!(decoder(&used).sliding_window, None, "28 blocks go without by default");
    let used = decoder(&with(&used, "max_window_layers", "2"));
    let windows: Vec<_> = (0..5).map(|layer| used.window(layer)).collect();
    assert_eq!(windows, [None, None, Some(16), Some(16), Some(16)]);
    let all = with(&with(&qwen, "use_sliding_window", "true"), "max_window_layers", "0");
    assert_eq!(decoder(&all).window(0), Some(16));
    let full = "\"full_attention\"";
    let slide = "\"sliding_attention\"";
    let list = |kinds: [&str; 5]| with(&all, "layer_types", &format!("[{}]", kinds.join(",")));
    assert_eq!(decoder(&list([full, slide, slide, slide, slide])).n_full_layers, 1);
    let error = parse(&list([slide, full, slide, slide, slide])).unwrap_err().to_string();
    assert!(error.contains("`layer_types`") && error.contains("5 entries"), "{error}");
}

#[test]
fn qwen_has_biases_and_head_norms() {
    let qwen2 = decoder(&with(&family(LLAMA, "qwen2"), "head_dim", "32"));
    assert!(qwen2.qkv_bias && !qwen2.output_bias && !qwen2.query_key_norm);
    assert_eq!(qwen2.head_dim, 8, "Qwen2 knows no such key");
    let qwen3 = decoder(&with(&family(LLAMA, "qwen3"), "head_dim", "32"));
    assert!(!qwen3.qkv_bias && qwen3.query_key_norm);
    assert_eq!((qwen3.head_dim, qwen3.query_width(), qwen3.key_width()), (32, 256, 128));
    assert_eq!(decoder(&family(LLAMA, "qwen3")).head_dim, 128);
}

#[test]
fn the_other_encoders_parse() {
    let roberta = family(&with(BERT, "type_vocab_size", "1"), "roberta");
    for text in [&roberta, &family(&roberta, "xlm-roberta")] {
        let config = encoder(text);
        assert_eq!((config.family, config.first_position), (EncoderFamily::Roberta, 2));
        assert_eq!(parse(text).unwrap().max_positions(), 62);
        assert!(!config.has_segments());
    }
    assert_eq!(encoder(&with(&roberta, "pad_token_id", "5")).first_position, 6);
    let distilbert = encoder(DISTILBERT);
    assert_eq!((distilbert.hidden_size, distilbert.intermediate_size), (48, 96));
    assert_eq!((distilbert.type_vocab_size, distilbert.has_segments()), (0, false));
    let tanh = encoder(&with(DISTILBERT, "activation", r#""gelu_new""#));
    assert_eq!(tanh.activation, Activation::GeluTanh);
}

#[test]
fn deberta_has_relative_positions_and_perhaps_a_table_of_its_own() {
    let config = encoder(DEBERTA);
    assert_eq!((config.family, config.layer_norm_eps), (EncoderFamily::DebertaV2, 1e-7));
    assert_eq!((config.has_position_table, config.max_positions), (false, 512));
    let v3 = RelativePositions { n_buckets: 256, max_distance: 512, has_norm: true };
    assert_eq!((config.relative, v3.n_rows()), (Some(v3), 512));
    assert!(!config.has_segments());
    let list = with(DEBERTA, "pos_att_type", r#"["c2p", "p2c"]"#);
    assert_eq!(encoder(&list), config);
    let mut plain = with(&with(DEBERTA, "position_buckets", "-1"), "type_vocab_size", "2");
    for (key, value) in [
        ("norm_rel_ebd", r#""none""#),
        ("max_relative_positions", "100"),
        ("position_biased_input", "true"),
    ] {
        plain = with(&plain, key, value);
    }
    let config = encoder(&plain);
    let plain = RelativePositions { n_buckets: 0, max_distance: 100, has_norm: false };
    assert_eq!((config.relative, plain.n_rows()), (Some(plain), 200));
    assert!(config.has_position_table && config.has_segments());
}

#[test]
fn unusable_values_are_named() {
    let cases = [
        (LLAMA, "hidden_act", r#""gelu""#, "`hidden_act` `gelu`, expected `silu`"),
        (BERT, "hidden_act", r#""relu""#, "`hidden_act` `relu`, expected `gelu` or `gelu_new`"),
        (DISTILBERT, "activation", r#""relu""#, "`activation` `relu`"),
        (DISTILBERT, "n_heads", "7", "expected a divisor of 48"),
        (LLAMA, "is_causal", "false", "`is_causal` `false`, expected `true`"),
        (&family(LLAMA, "mistral"), "layer_types", r#"["sliding_attention"]"#, "`layer_types`"),
        (LLAMA, "rope_scaling", r#"{"rope_type": "yarn"}"#, "`rope_scaling`"),
        (LLAMA, "rope_scaling", r#"{"rope_type": "linear"}"#, "has no `factor`"),
        (LLAMA, "rope_parameters", r#"{"rope_type": "yarn"}"#, "`rope_parameters`"),
        (LLAMA, "rope_scaling", "2", "expected an object or `null`"),
        (LLAMA, "attention_bias", "1", "`attention_bias` `1`, expected `true` or `false`"),
        (LLAMA, "num_key_value_heads", "3", "expected a divisor of 8"),
        (BERT, "num_attention_heads", "7", "expected a divisor of 48"),
        (LLAMA, "head_dim", "7", "`head_dim` `7`, expected an even head width"),
        (LLAMA, "hidden_size", "0", "`hidden_size` `0`, expected a whole number"),
        (LLAMA, "hidden_size", "-4", "`hidden_size` `-4`"),
        (LLAMA, "vocab_size", "1e30", "`vocab_size`"),
        (LLAMA, "rms_norm_eps", "0", "expected a number above 0"),
        (BERT, "position_embedding_type", r#""relative_key""#, "expected `absolute`"),
        (BERT, "is_decoder", "true", "expected `false`"),
        (DEBERTA, "conv_kernel_size", "3", "`conv_kernel_size` `3`, expected `0` (no convolution)"),
        (DEBERTA, "share_att_key", "false", "`share_att_key` `false`, expected `true`"),
        (DEBERTA, "relative_attention", "null", "`relative_attention` `null`, expected `true`"),
        (DEBERTA, "pos_att_type", r#""p2c""#, "`pos_att_type` `p2c`, expected `p2c|c2p`"),
        (DEBERTA, "pos_att_type", r#""c2p|p2p|p2c""#, "`pos_att_type` `c2p|p2p|p2c`"),
        (DEBERTA, "position_buckets", "1022", "expected `-1`, or from 2 to less than 1022"),
        (DEBERTA, "position_buckets", "-7", "`position_buckets` `-7`"),
        (DEBERTA, "embedding_size", "24", "`embedding_size` `24`, expected `48`"),
        (DEBERTA, "pooler_hidden_act", r#""tanh""#, "`pooler_hidden_act` `tanh`"),
        (LLAMA, "quantization_config", "{}", "expected weights that are not quantized"),
        (LLAMA, "eos_token_id", r#""x""#, "expected a token id"),
        (LLAMA, "tie_word_embeddings", r#""yes""#, "expected `true` or `false`"),
    ];
    for (base, key, value, expected) in cases {
        let error = parse(&with(base, key, value)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("dir/config.json") && message.contains(expected), "{message}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn other_architectures_are_refused_with_the_list() {
    let error = parse(r#"{"model_type": "gpt_neox"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`dir/config.json` has `model_type` `gpt_neox`, which is not supported"
    );
    assert_eq!(
        error.hint().unwrap(),
        "supported architectures: llama, mistral, qwen2, qwen3, bert, roberta, xlm-roberta, \
         distilbert, deberta-v2"
    );
    // The first DeBERTa has other tensors; v2 and v3 share theirs.
    let error = parse(r#"{"model_type": "deberta"}"#).unwrap_err();
    assert!(error.to_string().contains("`deberta`, which is not supported"), "{error}");
}

#[test]
fn broken_json_names_its_line_and_missing_keys_their_name() {
    let message = parse("{\n \"model_type\": \"llama\",\n oops}").unwrap_err().to_string();
    assert!(message.starts_with("`dir/config.json`, line 3, column 2: "), "{message}");
    assert!(!message.contains(" at line "), "{message}");
    let message = parse("[1]").unwrap_err().to_string();
    assert!(message.contains("line 1"), "{message}");
    for key in ["model_type", "hidden_size", "num_hidden_layers", "hidden_act"] {
        let message = parse(&with(LLAMA, key, "null")).unwrap_err().to_string();
        assert_eq!(message, format!("`dir/config.json` has no `{key}`"));
    }
}
