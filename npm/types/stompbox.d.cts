import classic = require("./classic.cjs");
import today = require("./client.cjs");

/** The Stomp object of stomp.js, with everything else on it. */
declare namespace Stomp {
  export import StompHeaders = today.StompHeaders;
  export import debugFnType = today.debugFnType;
  export import messageCallbackType = today.messageCallbackType;
  export import frameCallbackType = today.frameCallbackType;
  export import emptyCallbackType = today.emptyCallbackType;
  export import closeEventCallbackType = today.closeEventCallbackType;
  export import wsErrorCallbackType = today.wsErrorCallbackType;
  export import IFrame = today.IFrame;
  type Frame = today.IFrame;
  const Frame: typeof classic.Frame;
  export import IMessage = today.IMessage;
  export import Message = today.Message;
  export import ITransaction = today.ITransaction;
  export import StompSubscription = today.StompSubscription;
  export import IPublishParams = today.IPublishParams;
  export import publishParams = today.publishParams;
  export import RawHeaderType = today.RawHeaderType;
  export import IRawFrameType = today.IRawFrameType;
  export import IStompSocketMessageEvent = today.IStompSocketMessageEvent;
  export import IStompSocket = today.IStompSocket;
  export import StompSocketState = today.StompSocketState;
  export import ActivationState = today.ActivationState;
  export import ReconnectionTimeMode = today.ReconnectionTimeMode;
  export import TickerStrategy = today.TickerStrategy;
  export import IStomptHandlerConfig = today.IStomptHandlerConfig;
  export import Versions = today.Versions;
  export import StompConfig = today.StompConfig;
  export import Client = today.Client;
  export import FrameParams = today.FrameParams;
  export import FrameImpl = today.FrameImpl;
  export import Parser = today.Parser;
  export import CompatClient = today.CompatClient;
  const Stomp: classic.StompStatic & { over(factory: () => any): today.CompatClient };
  const VERSIONS: classic.StompStatic["VERSIONS"];
  let WebSocketClass: any;
  function client(url: string, protocols?: string | string[]): classic.Client;
  /** A client that makes a socket for each attempt. */
  function over(factory: () => any): today.CompatClient;
  function over(ws: classic.WebSocketLike): classic.Client;
  /** In Node. */
  function overTCP(host: string, port: number): classic.Client;
  /** In Node. */
  function overWS(url: string, protocols?: string | string[]): classic.Client;
  let setInterval: classic.StompStatic["setInterval"];
  let clearInterval: classic.StompStatic["clearInterval"];
}

export = Stomp;
